//! What strangers send as one request: credentials, request objects, wishes for claims, redirect URIs. Each is put before the
//! use case itself, and judged by what comes of it.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use claviger_core::params::Params;
use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::stage::{End, REDIRECT_URI, SECRET, STAGE, owned};

/// An `Authorization` header on the first line and a form on the second: who is proven showed the secret.
pub fn credentials(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (header, form) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(params) = Params::parse(form.as_bytes()) else {
        return;
    };
    let encoded = format!("Basic {}", STANDARD.encode(header));
    for header in [header, &encoded] {
        let authorization = Some(header).filter(|header| !header.is_empty());
        match STAGE.proves(authorization, &params).as_deref() {
            None => {}
            Some("app") => assert_eq!(shown(header).as_deref(), Some(SECRET), "{header}"),
            Some("poster") => assert_eq!(params.get("client_secret"), Some(SECRET), "{form}"),
            Some(other) => panic!("{other} is proven by {text}"),
        }
    }
}

/// The password of a header, read in another way than the program does.
fn shown(header: &str) -> Option<String> {
    let pair = STANDARD.decode(header.get(6..)?.trim()).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (_, password) = pair.split_once(':')?;
    let (word, rest) = form_urlencoded::parse(password.as_bytes()).next()?;
    rest.is_empty().then(|| word.into_owned())
}

/// The query on the first line, header and payload of an unsigned JWT on the two others; or the JWT as it is, on one.
pub fn request_object(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.splitn(3, '\n').collect();
    let (query, object, payload) = match lines.as_slice() {
        [query, header, payload] => {
            let [header, claims] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
            (*query, format!("{header}.{claims}."), *payload)
        }
        _ => ("", text.clone().into_owned(), ""),
    };
    let outer = match Params::parse(query.as_bytes()) {
        Ok(outer) => outer,
        // The client is told where it registered, and nobody gets any further.
        Err(error) => {
            for query in [query.to_owned(), format!("client_id=loose&{query}")] {
                match STAGE.refuse(query.as_bytes(), error.clone()) {
                    End::Client(to) => assert!(to.starts_with(REDIRECT_URI), "{to}"),
                    End::Page => {}
                    End::Login => panic!("{query} cannot be read"),
                }
            }
            return;
        }
    };
    for (id, may_be_unsigned) in [("loose", true), ("strict", false)] {
        let mut pairs = outer
            .without(&[
                "client_id",
                "request",
                "request_uri",
                "login_verifier",
                "consent_verifier",
            ])
            .pairs()
            .to_vec();
        pairs.extend(owned(&[("client_id", id), ("request", &object)]));
        match STAGE.authorize(&Params::from_pairs(pairs)) {
            End::Client(to) => assert!(to.starts_with(REDIRECT_URI), "{to}"),
            End::Page => {}
            End::Login => {
                assert!(may_be_unsigned, "nobody signed {text}");
                // Each name once, or the object would not have been read; so it means the same to everybody.
                let Ok(claims) = serde_json::from_str::<Map<String, Value>>(payload) else {
                    continue;
                };
                let says = |name: &str| claims.get(name).and_then(Value::as_str);
                assert!(says("client_id").is_none_or(|named| named == id), "{text}");
                let is_ours = |uri: &str| uri.is_empty() || uri == REDIRECT_URI;
                assert!(says("redirect_uri").is_none_or(is_ours), "{text}");
                assert!(
                    !claims.contains_key("request") && !claims.contains_key("request_uri"),
                    "{text}"
                );
            }
        }
    }
}

/// The parameter `claims`: what is no object of objects is refused, at the address of the client.
pub fn claims(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let request = owned(&[
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "state-of-the-fuzzer"),
        ("claims", &text),
    ]);
    // As it arrives: no text with a NUL passes the query.
    let Ok(params) = Params::parse(Params::from_pairs(request).encode().as_bytes()) else {
        return;
    };
    let is_object = serde_json::from_str::<Map<String, Value>>(&text).is_ok();
    match STAGE.authorize(&params) {
        End::Client(to) => assert!(to.starts_with(REDIRECT_URI), "{to}"),
        End::Login => assert!(is_object || params.get("claims").is_none(), "{text}"),
        End::Page => panic!("the client was not told of {text}"),
    }
}

/// A registered redirect URI and a requested one, on two lines: they are the same, but for the port of this machine.
pub fn redirect_uri(data: &[u8]) {
    const ID: &str = "of-a-redirect-uri";
    let text = String::from_utf8_lossy(data);
    let (registered, requested) = text.split_once('\n').unwrap_or((&text, &text));
    if !STAGE.register(&json!({"client_id": ID, "redirect_uris": [registered], "scope": "read"})) {
        return;
    }
    for requested in [requested, registered] {
        let request = owned(&[
            ("client_id", ID),
            ("redirect_uri", requested),
            ("response_type", "code"),
            ("scope", "unregistered"),
            ("state", "state-of-the-fuzzer"),
        ]);
        let Ok(params) = Params::parse(Params::from_pairs(request).encode().as_bytes()) else {
            break;
        };
        match STAGE.authorize(&params) {
            End::Client(to) => {
                // An empty one is none, and the only registered one stands in.
                let requested = if requested.is_empty() { registered } else { requested };
                assert!(is_same(registered, requested), "{requested} passes for {registered}");
                assert!(to.starts_with(requested), "{to} is not {requested}");
            }
            End::Page => {}
            End::Login => panic!("the scope is not registered"),
        }
    }
    STAGE.forget(ID);
}

/// RFC 9700 §2.1 and RFC 8252 §7.3, as the URL standard reads the two.
fn is_same(registered: &str, requested: &str) -> bool {
    let loopback = |uri: &str| {
        let mut url = Url::parse(uri).ok()?;
        let address = match url.host()? {
            Host::Ipv4(address) => IpAddr::from(address),
            Host::Ipv6(address) => IpAddr::from(address),
            Host::Domain(_) => return None,
        };
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let is_loopback = url.scheme() == "http" && is_plain && address.is_loopback();
        url.set_port(None).ok()?;
        is_loopback.then_some(url)
    };
    let requested_loopback = loopback(requested);
    registered == requested || requested_loopback.is_some() && loopback(registered) == requested_loopback
}
