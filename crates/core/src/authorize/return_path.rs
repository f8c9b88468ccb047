//! Where an authorization response may go: holding a [`ReturnPath`] is the proof that the client registered the address.
//!
//! RFC 6749 §3.1.2, RFC 9700 §2.1 and §4.11 (exact comparison, no open redirect), RFC 8252 §7.3 (the port of a loopback
//! address is free) and §8.3, RFC 9207 (`iss` in every response, errors too).

use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::response_mode::{Delivery, ResponseMode};
use super::response_type::ResponseType;
use crate::client::Client;
use crate::context::Policy;
use crate::fault::{Failure, Fault};
use crate::flow::login::Rejection;
use crate::params::{Params, words};

/// A redirect URI that was compared with the registered ones, and how to answer there.
#[derive(Clone, Debug)]
pub struct ReturnPath {
    uri: String,
    mode: &'static ResponseMode,
    state: Option<String>,
    issuer: String,
}

/// What a client gets.
pub(super) struct Answer<'a> {
    pub(super) code: Option<&'a str>,
    /// With its life.
    pub(super) access_token: Option<(&'a str, Duration)>,
    pub(super) id_token: Option<&'a str>,
    /// Granted scopes, space-delimited.
    pub(super) scope: &'a str,
}

impl ReturnPath {
    /// The return path of a request. A `response_mode` that cannot be is refused elsewhere, by the default one.
    ///
    /// # Errors
    /// If the address is missing, not registered or not safe: then nothing may be sent there, not even the error (D23).
    pub(crate) fn find(client: &Client, params: &Params, policy: &Policy) -> Result<Self, Failure> {
        let uri = match params.get("redirect_uri") {
            Some(requested) if is_registered(client, requested) => requested,
            Some(_) => return Err(Fault::RedirectUriUnregistered.into()),
            None => only_one(client, params).ok_or(Fault::RedirectUriMissing)?,
        };
        if !is_secure(uri, policy) {
            return Err(Fault::RedirectUriInsecure.into());
        }
        let response_type = ResponseType::of(params);
        let named = params.get("response_mode").and_then(ResponseMode::named);
        let mode = named.filter(|mode| mode.suits(response_type));
        Ok(Self {
            uri: uri.to_owned(),
            mode: mode.unwrap_or_else(|| ResponseMode::default_of(response_type)),
            state: params.get("state").map(str::to_owned),
            issuer: policy.issuer.clone(),
        })
    }

    /// Whether nobody else than the client can be at the address: `https`, or `http` on this machine. A custom scheme can
    /// be claimed by any app (RFC 8252 §8.6).
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.uri.starts_with("https://") || is_local(&self.uri)
    }

    /// The response with what was granted (RFC 6749 §4.1.2 and §4.2.2, OpenID Connect Core §3.2.2.5 and §3.3.2.5).
    pub(super) fn grant(&self, answer: &Answer<'_>) -> Delivery {
        let mut fields: Vec<(String, String)> = Vec::with_capacity(8);
        let mut set = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
        if let Some(code) = answer.code {
            set("code", code);
        }
        if let Some((token, life)) = answer.access_token {
            set("access_token", token);
            set("expires_in", &life.as_secs().to_string());
            set("token_type", "bearer");
        }
        if let Some(id_token) = answer.id_token {
            set("id_token", id_token);
        }
        if answer.id_token.is_none() || answer.access_token.is_some() {
            set("scope", answer.scope);
        }
        self.deliver(fields)
    }

    /// `state` of the request.
    pub(super) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The response with an error (RFC 6749 §4.1.2.1).
    #[must_use]
    pub fn refuse(&self, failure: &Failure) -> Delivery {
        self.deliver(vec![
            ("error".into(), failure.fault().code().as_str().into()),
            ("error_description".into(), failure.description()),
        ])
    }

    /// The response with an error that the login or consent app chose.
    pub(crate) fn reject(&self, rejection: &Rejection, default: &str) -> Delivery {
        let error = rejection.error.as_deref().filter(|error| !error.is_empty());
        self.deliver(vec![
            ("error".into(), plain(error.unwrap_or(default))),
            ("error_description".into(), plain(&rejection.text())),
        ])
    }

    fn deliver(&self, mut fields: Vec<(String, String)>) -> Delivery {
        if let Some(state) = &self.state {
            fields.push(("state".into(), state.clone()));
        }
        fields.push(("iss".into(), self.issuer.clone()));
        self.mode.deliver(&self.uri, fields)
    }
}

/// Only the characters that RFC 6749 §4.1.2.1 allows in `error` and `error_description`.
fn plain(text: &str) -> String {
    let allowed = |c: char| match c {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => c,
        _ => ' ',
    };
    text.chars().map(allowed).collect()
}

/// RFC 6749 §3.1.2.3: a sole registered address need not be sent; in OpenID requests it must (Core §3.1.2.1).
fn only_one<'a>(client: &'a Client, params: &Params) -> Option<&'a str> {
    let is_openid = words(params.get("scope").unwrap_or_default()).any(|scope| scope == "openid");
    match client.redirect_uris.as_slice() {
        [only] if !is_openid => Some(only),
        _ => None,
    }
}

/// RFC 9700 §2.1: compared to the letter, but for the port of a loopback address (RFC 8252 §7.3).
pub(crate) fn is_registered(client: &Client, requested: &str) -> bool {
    let loopback = loopback(requested);
    client
        .redirect_uris
        .iter()
        .any(|registered| registered == requested || loopback.is_some() && self::loopback(registered) == loopback)
}

/// Host and the rest behind the port, if `uri` is `http` on a loopback address literal.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let after = uri.strip_prefix("http://")?;
    let (authority, rest) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
    let host_end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_end)?;
    let address: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    // A sign is no digit, whatever the standard library reads.
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let port_is_free = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (address.is_loopback() && port_is_free && !rest.contains('#')).then_some((host, rest))
}

/// `http` on this machine, by address or by name.
fn is_local(uri: &str) -> bool {
    if loopback(uri).is_some() {
        return true;
    }
    Url::parse(uri).is_ok_and(|url| url.scheme() == "http" && is_this_machine(&url))
}

/// Whether the host is the machine of the browser, in whatever way it is written (RFC 6761 §6.3; RFC 1122 §3.2.1.3).
pub(crate) fn is_this_machine(url: &Url) -> bool {
    let is_own = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => is_own(address.into()),
        Some(Host::Ipv6(address)) => is_own(address.to_canonical()),
        None => false,
    }
}

/// RFC 9700 §2.6: nothing goes over a network in clear, unless the operator said so for development or this address.
pub(crate) fn is_secure(uri: &str, policy: &Policy) -> bool {
    !uri.to_ascii_lowercase().starts_with("http:") || is_local(uri) || is_allowed_in_clear(uri, policy)
}

/// Whether the operator takes `http` there (`dangerous-allow-insecure-redirect-urls`, development mode).
pub(crate) fn is_allowed_in_clear(uri: &str, policy: &Policy) -> bool {
    policy.dev || policy.insecure_redirect_uris.iter().any(|allowed| allowed == uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Desk, form};

    fn found(registered: &[&str], requested: Option<&str>, scope: &str) -> Result<String, Fault> {
        let desk = Desk::new();
        let mut client = desk.draft("app");
        client.redirect_uris = registered.iter().map(|uri| (*uri).to_owned()).collect();
        let mut pairs = vec![("scope", scope)];
        pairs.extend(requested.map(|uri| ("redirect_uri", uri)));
        ReturnPath::find(&client, &form(&pairs), &desk.policy)
            .map(|path| path.uri)
            .map_err(|failure| failure.fault())
    }

    #[test]
    fn rfc9700_4_11_an_address_must_equal_a_registered_one_to_the_letter() {
        let registered = ["https://shop.example/cb"];
        assert!(found(&registered, Some("https://shop.example/cb"), "").is_ok());
        for other in [
            "https://shop.example/cb/",
            "https://shop.example/cb?x",
            "https://shop.example/CB",
            "https://shop.example/a/../cb",
            "https://evil.example/cb",
            "//evil.example",
        ] {
            assert_eq!(
                found(&registered, Some(other), ""),
                Err(Fault::RedirectUriUnregistered),
                "{other}"
            );
        }
    }

    #[test]
    fn rfc8252_7_3_the_port_of_a_loopback_address_is_free_and_nothing_else() {
        let registered = ["http://127.0.0.1/cb", "http://[::1]:80/cb", "http://localhost:1/cb"];
        for free in [
            "http://127.0.0.1:55555/cb",
            "http://[::1]:9/cb",
            "http://localhost:1/cb",
        ] {
            assert!(found(&registered, Some(free), "").is_ok(), "{free}");
        }
        for bound in [
            "http://127.0.0.2:5/cb",
            "http://127.0.0.1:5/other",
            "http://127.0.0.1:5/cb?x",
            "http://127.0.0.1:5/a/../cb",
            "http://127.0.0.1:5@evil.example/cb",
            "http://127.0.0.1:99999/cb",
            "http://localhost:2/cb",
            "https://127.0.0.1:5/cb",
        ] {
            assert!(found(&registered, Some(bound), "").is_err(), "{bound}");
        }
    }

    #[test]
    fn rfc6749_3_1_2_3_a_sole_address_may_be_left_out_unless_the_request_is_openid() {
        let one = ["https://a/cb"];
        assert_eq!(found(&one, None, "read"), Ok("https://a/cb".into()));
        assert_eq!(found(&one, None, "read openid"), Err(Fault::RedirectUriMissing));
        assert_eq!(
            found(&["https://a", "https://b"], None, ""),
            Err(Fault::RedirectUriMissing)
        );
        assert_eq!(found(&[], None, ""), Err(Fault::RedirectUriMissing));
    }

    #[test]
    fn rfc9700_2_6_http_is_for_this_machine_only() {
        for fine in [
            "http://app.localhost/cb",
            "http://localhost./cb",
            "http://127.0.0.9/",
            "http://[::ffff:127.0.0.1]/",
            "com.example.app:/cb",
        ] {
            assert!(found(&[fine], Some(fine), "").is_ok(), "{fine}");
        }
        let plain = "http://shop.example/cb";
        assert_eq!(found(&[plain], Some(plain), ""), Err(Fault::RedirectUriInsecure));
    }
}
