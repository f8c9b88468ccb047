//! The userinfo endpoint.
//!
//! Implements OpenID Connect Core §5.3, as JSON or signed (§5.3.2), and RFC 6750 §2. Deviates: a token in the query is not looked at (RFC 6750 §2.3,
//! RFC 9700 §4.3.2: it would end in logs). Attacks: tokens of other purposes (the scope `openid` is asked for, D25),
//! claims of the consent application that would pass as ours.

use claviger_jose::Alg;
use serde_json::{Map, Value, json};

use crate::consented::Consented;
use crate::context::Cx;
use crate::fault::{Failure, Fault};
use crate::params::Params;
use crate::subject::shown;
use crate::token::id_token::RESERVED;
use crate::token::lookup::KnownAccess;
use crate::world::World;

/// The access token of a request, from the header `Authorization` or the parameter `access_token` of a form.
///
/// # Errors
/// [`Fault::BearerMissing`] if there is none, [`Fault::BearerTwice`] if it is in both places (RFC 6750 §2).
pub fn bearer<'a>(authorization: Option<&'a str>, form: &'a Params) -> Result<&'a str, Fault> {
    let header = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match (header.filter(|token| !token.is_empty()), form.get("access_token")) {
        (Some(token), None) | (None, Some(token)) => Ok(token),
        // "Clients MUST NOT use more than one method to transmit the token in each request."
        (Some(_), Some(_)) => Err(Fault::BearerTwice),
        (None, None) => Err(Fault::BearerMissing),
    }
}

/// The answer, in the form that the client is registered for.
#[derive(Clone, Debug, PartialEq)]
pub enum UserInfo {
    /// JSON.
    Plain(Map<String, Value>),
    /// A JWT (`userinfo_signed_response_alg`).
    Signed(String),
}

/// The claims about the person who granted the access token.
///
/// # Errors
/// [`Fault::BearerInvalid`] if it is no living access token, [`Fault::OpenIdNotGranted`] if it is not for OpenID
/// Connect, [`Failure::Store`] if the database does not answer.
pub async fn userinfo(world: &World<'_>, token: &str) -> Result<UserInfo, Failure> {
    let token = KnownAccess::find(world, token).await?;
    let token = token
        .filter(|token| token.lives(world.cx.now))
        .ok_or(Fault::BearerInvalid)?;
    let claims = claims(&world.cx, &token)?;
    let client = token.client(world).await?.ok_or(Fault::BearerInvalid)?;
    match client.choices.userinfo_alg {
        None => Ok(UserInfo::Plain(claims)),
        Some(alg) => sign(world, alg, claims).await.map(UserInfo::Signed),
    }
}

/// "If signed, the UserInfo Response MUST contain the Claims iss and aud" (§5.3.2), which are there in any form.
async fn sign(world: &World<'_>, alg: Alg, mut claims: Map<String, Value>) -> Result<String, Failure> {
    claims.insert("jti".to_owned(), world.cx.new_id().to_string().into());
    claims.insert("iat".to_owned(), world.cx.now.0.into());
    let key = world.keys.signing(&world.cx, Some(alg), world.cx.now).await?;
    let broken = |why: String| Failure::Internal(format!("userinfo cannot be signed: {why}"));
    let payload = serde_json::to_vec(&claims).map_err(|error| broken(error.to_string()))?;
    key.sign_jws("JWT", &payload).map_err(|error| broken(error.to_string()))
}

fn claims(cx: &Cx<'_>, token: &KnownAccess) -> Result<Map<String, Value>, Failure> {
    // A client that acts for itself has no person to tell of, whatever its scope.
    let grant = token.grant().ok_or(Fault::OpenIdNotGranted)?;
    if !token.scope().iter().any(|scope| scope == "openid") {
        return Err(Fault::OpenIdNotGranted.into());
    }
    let consented = Consented::open(cx, grant)?.ok_or(Fault::BearerInvalid)?;
    let subject = json!(shown(grant, &consented));
    let mut claims = consented.userinfo.unwrap_or(consented.id_token);
    claims.retain(|name, _| !RESERVED.contains(&name.as_str()));
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("sub", subject);
    set("iss", json!(cx.policy.issuer));
    set("aud", json!([grant.client_id]));
    set("iat", json!(token.issued_at.0));
    set("auth_time", json!(consented.auth_time));
    if let Some(acr) = consented.acr {
        set("acr", json!(acr));
    }
    if !consented.amr.is_empty() {
        set("amr", json!(consented.amr));
    }
    Ok(claims)
}

#[cfg(test)]
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

#[cfg(test)]
mod rfc6750_2 {
    use super::*;
    use crate::testing::form;

    #[test]
    fn the_token_is_in_the_header_or_in_the_form() {
        let (none, some) = (Params::default(), form(&[("access_token", "t")]));
        for header in ["Bearer t", "bearer t", "BEARER  t"] {
            assert_eq!(bearer(Some(header), &none), Ok("t"), "{header}");
        }
        assert_eq!(bearer(None, &some), Ok("t"));
    }

    #[test]
    fn a_token_in_both_places_is_refused() {
        let some = form(&[("access_token", "t")]);
        assert_eq!(bearer(Some("Bearer t"), &some), Err(Fault::BearerTwice));
    }

    #[test]
    fn a_request_without_a_token_is_told_apart_from_one_with_a_wrong_token() {
        for header in [None, Some("Basic YTpi"), Some("Bearer"), Some("Bearer "), Some("")] {
            assert_eq!(
                bearer(header, &Params::default()),
                Err(Fault::BearerMissing),
                "{header:?}"
            );
        }
    }
}

#[cfg(test)]
mod openid_connect_core_5_3 {
    use std::time::Duration;

    use super::*;
    use crate::client::Client;
    use crate::testing::{Desk, START, now};
    use crate::token::opaque::{Fresh, Kind};

    fn consented() -> Consented {
        Consented {
            auth_time: START.0 - 60,
            acr: Some("2".to_owned()),
            amr: vec!["pwd".to_owned()],
            nonce: Some("a-nonce-of-the-client".to_owned()),
            access_token: object(json!({"plan": "gold"})),
            id_token: object(json!({"given_name": "Ada"})),
            userinfo: None,
            ..Consented::default()
        }
    }

    fn granted(desk: &Desk, client: &Client, scope: &str, consented: &Consented) -> Fresh {
        let grant = desk.consent(client, scope, consented);
        desk.issued(client, &grant, None).access
    }

    fn told(desk: &Desk, text: &str) -> Map<String, Value> {
        match now(userinfo(&desk.world(), text)).expect("the person is known") {
            UserInfo::Plain(claims) => claims,
            UserInfo::Signed(token) => panic!("{token} is not plain"),
        }
    }

    fn refusal(desk: &Desk, text: &str) -> Fault {
        let refused = now(userinfo(&desk.world(), text));
        refused.expect_err("there is no such person").fault()
    }

    #[test]
    fn the_claims_of_the_session_come_with_those_that_are_ours() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let token = granted(&desk, &client, "openid profile", &consented());
        let expected = json!({
            "sub": "alice", "iss": "https://op.example/", "aud": ["app"], "iat": START.0, "auth_time": START.0 - 60,
            "acr": "2", "amr": ["pwd"], "given_name": "Ada",
        });
        let claims = told(&desk, &token.text);
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn claims_for_userinfo_stand_in_place_of_those_of_the_id_token() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let session = Consented {
            userinfo: Some(object(json!({"email": "ada@example.com"}))),
            ..consented()
        };
        let token = granted(&desk, &client, "openid", &session);
        let claims = told(&desk, &token.text);
        assert_eq!(claims.get("email"), Some(&json!("ada@example.com")));
        assert!(!claims.contains_key("given_name"));
    }

    /// Issue of the same consent: what is for userinfo is not in the ID token (§5.4).
    #[test]
    fn claims_for_userinfo_do_not_slip_into_the_id_token() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let session = Consented {
            id_token: Map::new(),
            userinfo: Some(object(json!({"email": "ada@example.com"}))),
            ..consented()
        };
        let grant = desk.consent(&client, "openid email", &session);
        let token = crate::token::id_token::IdToken {
            alg: None,
            grant: &grant,
            consented: &session,
            beside: crate::token::id_token::Beside::default(),
            life: Duration::from_secs(60),
        };
        let token = now(token.sign(&desk.world())).expect("a token is signed");
        let claims = claviger_jose::decode_unverified(&token).expect("a JWT").claims();
        assert!(!claims.expect("an object").contains_key("email"));
    }

    /// §5.3.2.
    #[test]
    fn a_client_that_wants_it_signed_gets_a_jwt_by_its_algorithm() {
        let desk = Desk::new();
        let mut draft = desk.draft("app");
        draft.choices.userinfo_alg = Some(Alg::EdDSA);
        let client = desk.register(&draft);
        let token = granted(&desk, &client, "openid profile", &consented());
        desk.advance(Duration::from_secs(7));
        let signed = match now(userinfo(&desk.world(), &token.text)).expect("the person is known") {
            UserInfo::Signed(signed) => signed,
            UserInfo::Plain(claims) => panic!("{claims:?} is not signed"),
        };
        let verified = claviger_jose::verify_jws(&signed, &[desk.keys.verifying_other()], &[Alg::EdDSA]);
        let mut claims = verified.expect("our own signature").claims().expect("an object");
        assert!(claims.remove("jti").is_some());
        let expected = json!({
            "sub": "alice", "iss": "https://op.example/", "aud": ["app"], "iat": START.0 + 7, "auth_time": START.0 - 60,
            "acr": "2", "amr": ["pwd"], "given_name": "Ada",
        });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn a_choice_that_another_server_took_back_is_not_served_from_memory() {
        let desk = Desk::new();
        let mut draft = desk.draft("app");
        let client = desk.register(&draft);
        let token = granted(&desk, &client, "openid", &consented());
        desk.store.freeze_memory();
        draft.choices.userinfo_alg = Some(Alg::ES256);
        desk.register(&draft);
        let answer = now(userinfo(&desk.world(), &token.text)).expect("the person is known");
        assert!(matches!(answer, UserInfo::Signed(_)));
    }

    #[test]
    fn a_remembered_client_costs_no_further_read() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let token = granted(&desk, &client, "openid", &consented());
        desk.store.freeze_memory();
        desk.store.reads();
        told(&desk, &token.text);
        assert_eq!(desk.store.reads(), 1);
    }

    #[test]
    fn the_consent_application_cannot_speak_for_us() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let lies = RESERVED.map(|name| (name.to_owned(), json!("a lie")));
        let session = Consented {
            id_token: lies.into_iter().collect(),
            acr: None,
            amr: Vec::new(),
            ..consented()
        };
        let token = granted(&desk, &client, "openid", &session);
        let claims = told(&desk, &token.text);
        assert!(claims.values().all(|value| value != "a lie"), "{claims:?}");
        assert_eq!(claims.get("sub"), Some(&json!("alice")));
    }

    #[test]
    fn d25_a_token_without_openid_says_nothing_of_a_person() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let token = granted(&desk, &client, "profile", &consented());
        assert_eq!(refusal(&desk, &token.text), Fault::OpenIdNotGranted);
        let grant = desk.consent(&client, "openid profile", &consented());
        let narrowed = desk.issued(&client, &grant, Some("profile")).access;
        assert_eq!(refusal(&desk, &narrowed.text), Fault::OpenIdNotGranted);
        assert_eq!(Fault::OpenIdNotGranted.code().as_str(), "insufficient_scope");
    }

    #[test]
    fn d25_a_client_that_acts_for_itself_has_no_person() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let token = desk.own_token(&client, "openid");
        assert_eq!(refusal(&desk, &token.text), Fault::OpenIdNotGranted);
    }

    #[test]
    fn d25_whatever_is_no_living_access_token_is_an_invalid_token() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let grant = desk.consent(&client, "openid", &consented());
        let pair = desk.issued(&client, &grant, None);
        let forged = desk.fresh(Kind::Access, pair.access.id);
        desk.advance(Duration::from_secs(3599));
        assert!(now(userinfo(&desk.world(), &pair.access.text)).is_ok());
        for text in ["nonsense", &pair.refresh.text, &forged.text] {
            assert_eq!(refusal(&desk, text), Fault::BearerInvalid, "{text}");
        }
        desk.advance(Duration::from_secs(1));
        assert_eq!(refusal(&desk, &pair.access.text), Fault::BearerInvalid);
        assert_eq!(Fault::BearerInvalid.code().as_str(), "invalid_token");
    }
}
