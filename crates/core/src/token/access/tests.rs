//! JWT access tokens from the token endpoint to the end of their life.

use claviger_jose::{Alg, Verified, decode_unverified, verify_jws};
use serde_json::{Map, Value, json};

use super::*;
use crate::client_auth::Credentials;
use crate::grant;
use crate::introspect::{Caller, Introspection, introspect};
use crate::params::Params;
use crate::revoke::{Revocation, revoke};
use crate::testing::{Desk, START, form, now};
use crate::userinfo::userinfo;
use crate::world::IdTokenKeys as _;

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.policy.access_token.format = Format::Jwt;
    desk
}

fn consented() -> Consented {
    Consented {
        access_token: object(json!({"plan": "gold", "tenant": "acme", "sub": "a lie", "scp": "a lie"})),
        ..Consented::default()
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// What the token endpoint answers to `app`.
fn asked(desk: &Desk, pairs: &[(&str, &str)]) -> Result<Value, Failure> {
    let mut pairs = pairs.to_vec();
    pairs.extend([("client_id", "app"), ("client_secret", "secret")]);
    let params: Params = form(&pairs);
    let credentials = Credentials {
        authorization: None,
        params: &params,
    };
    let response = now(grant::run(&desk.world(), &credentials))?;
    Ok(serde_json::to_value(&response).expect("an answer is JSON"))
}

fn tokens(desk: &Desk, pairs: &[(&str, &str)]) -> Value {
    asked(desk, pairs).unwrap_or_else(|failure| panic!("{failure}"))
}

/// The tokens for a code that `alice` consented to.
fn redeemed(desk: &Desk, scope: &str) -> Value {
    let client = desk.register(&desk.draft("app"));
    let grant = desk.consent(&client, scope, &consented());
    let code = desk.code(&grant, None);
    let redirect = "https://app.example/callback";
    tokens(
        desk,
        &[
            ("grant_type", "authorization_code"),
            ("code", &code.text),
            ("redirect_uri", redirect),
        ],
    )
}

fn text(answer: &Value, name: &str) -> String {
    answer[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {answer}"))
        .to_owned()
}

fn verified(desk: &Desk, token: &str) -> Verified {
    let keys = now(desk.keys.verifying_access(&desk.cx())).expect("there is a key");
    verify_jws(token, &keys, &[Alg::ES256]).expect("our own signature")
}

fn claims(desk: &Desk, token: &str) -> Map<String, Value> {
    verified(desk, token).claims().expect("claims are an object")
}

fn described(desk: &Desk, token: &str) -> Value {
    let told = now(introspect(&desk.world(), token, Caller::Admin { scope: None }));
    serde_json::to_value(told.expect("the store answers")).expect("a description is JSON")
}

mod rfc9068_2 {
    use super::*;

    #[test]
    fn a_token_says_who_granted_what_to_whom() {
        let desk = desk();
        let answer = redeemed(&desk, "openid offline profile");
        let token = text(&answer, "access_token");
        let verified = verified(&desk, &token);
        assert_eq!(verified.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(verified.header.kid.as_deref(), Some("access-key-1"));
        let mut claims = verified.claims().expect("claims are an object");
        assert!(claims.remove("jti").is_some_and(|jti| jti.is_string()));
        let expected = json!({
            "iss": "https://op.example/", "sub": "alice", "aud": ["https://api.example"], "client_id": "app",
            "iat": START.0, "nbf": START.0, "exp": START.0 + 3600, "scp": ["openid", "offline", "profile"],
            "ext": {"plan": "gold", "tenant": "acme", "sub": "a lie", "scp": "a lie"},
        });
        assert_eq!(Value::from(claims), expected);
    }

    #[test]
    fn a_client_that_acts_for_itself_is_its_own_subject() {
        let desk = desk();
        desk.register(&desk.draft("app"));
        let audience = "https://api.example/v1";
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "profile"),
            ("audience", audience),
        ];
        let claims = claims(&desk, &text(&tokens(&desk, &form), "access_token"));
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("app"), &json!("app")));
        assert_eq!((&claims["aud"], &claims["ext"]), (&json!([audience]), &json!({})));
    }

    #[test]
    fn the_scope_is_a_list_a_text_or_both() {
        for (claim, list, line) in [
            (ScopeClaim::List, true, false),
            (ScopeClaim::Text, false, true),
            (ScopeClaim::Both, true, true),
        ] {
            let mut desk = desk();
            desk.policy.access_token.scope_claim = claim;
            let claims = claims(&desk, &text(&redeemed(&desk, "openid profile"), "access_token"));
            assert_eq!(claims.get("scp"), list.then(|| json!(["openid", "profile"])).as_ref());
            assert_eq!(claims.get("scope"), line.then(|| json!("openid profile")).as_ref());
        }
    }

    #[test]
    fn claims_stand_at_the_top_if_the_operator_allows_it_and_never_in_place_of_ours() {
        for (mirror, preserve, ext) in [
            (
                true,
                false,
                Some(json!({"plan": "gold", "tenant": "acme", "sub": "a lie", "scp": "a lie"})),
            ),
            (false, false, None),
            (
                false,
                true,
                Some(json!({"plan": "gold", "sub": "a lie", "scp": "a lie"})),
            ),
        ] {
            let mut desk = desk();
            let form = &mut desk.policy.access_token;
            form.top_level = ["tenant", "absent", "sub", "scp"].map(str::to_owned).to_vec();
            (form.mirror, form.preserve, form.not_before) = (mirror, preserve, false);
            let claims = claims(&desk, &text(&redeemed(&desk, "openid"), "access_token"));
            assert_eq!((&claims["tenant"], &claims["sub"]), (&json!("acme"), &json!("alice")));
            assert_eq!(claims.get("ext"), ext.as_ref());
            assert_eq!((claims.get("absent"), claims.get("nbf")), (None, None));
            assert_eq!(claims["scp"], json!(["openid"]));
        }
    }

    #[test]
    fn a_client_chooses_its_own_form() {
        let desk = Desk::new();
        let mut draft = desk.draft("app");
        draft.choices.access_token = Some(Format::Jwt);
        desk.register(&draft);
        let form = [("grant_type", "client_credentials")];
        assert!(decode_unverified(&text(&tokens(&desk, &form), "access_token")).is_ok());
        draft.choices.access_token = Some(Format::Opaque);
        desk.register(&draft);
        assert!(text(&tokens(&desk, &form), "access_token").starts_with("clv_at_"));
    }
}

mod rfc7009_2_and_rfc7662_2 {
    use super::*;

    #[test]
    fn a_token_is_introspectable_good_for_userinfo_and_revocable() {
        let desk = desk();
        let answer = redeemed(&desk, "openid offline");
        let token = text(&answer, "access_token");
        let told = described(&desk, &token);
        assert_eq!(
            (&told["active"], &told["token_use"]),
            (&json!(true), &json!("access_token"))
        );
        assert_eq!((&told["sub"], &told["exp"]), (&json!("alice"), &json!(START.0 + 3600)));
        assert!(now(userinfo(&desk.world(), &token)).is_ok());
        let client = now(desk.world().client("app", crate::port::Freshness::Latest));
        let caller = desk.authenticated(&client.expect("the store answers").expect("it is registered"));
        let revoked = now(revoke(&desk.world(), &caller, &token)).expect("the store answers");
        assert_eq!(revoked, Revocation::Revoked);
        assert_eq!(described(&desk, &token), json!({"active": false}));
    }

    #[test]
    fn a_token_ends_with_its_time_whatever_its_signature_says() {
        let desk = desk();
        let token = text(&redeemed(&desk, "openid"), "access_token");
        desk.advance(Duration::from_secs(3600));
        assert_eq!(described(&desk, &token), json!({"active": false}));
    }

    #[test]
    fn what_is_signed_by_us_for_another_purpose_is_no_access_token() {
        let desk = desk();
        let answer = redeemed(&desk, "openid");
        let token = text(&answer, "access_token");
        let payload = verified(&desk, &token).payload;
        let key = now(desk.keys.signing_access(&desk.cx(), None, START)).expect("there is a key");
        let other_type = key.sign_jws("JWT", &payload).expect("the key signs");
        let id_key = now(desk.keys.signing(&desk.cx(), None, START)).expect("there is a key");
        let other_key = id_key.sign_jws("at+jwt", &payload).expect("the key signs");
        let mut changed = claims(&desk, &token);
        changed.insert("exp".to_owned(), json!(START.0 + 999_999));
        let changed = serde_json::to_vec(&changed).expect("claims are JSON");
        let other_claims = key.sign_jws("at+jwt", &changed).expect("the key signs");
        for forged in [&other_type, &other_key, &other_claims, &text(&answer, "id_token")] {
            assert_eq!(described(&desk, forged), json!({"active": false}), "{forged}");
        }
        let again = key.sign_jws("at+jwt", &payload).expect("the key signs");
        assert_eq!(described(&desk, &again)["active"], true);
    }

    #[test]
    fn a_forged_signature_costs_no_query() {
        let desk = desk();
        let token = text(&redeemed(&desk, "openid"), "access_token");
        let (signed, _) = token.rsplit_once('.').expect("a JWS has dots");
        desk.store.reads();
        for forged in [format!("{signed}.AAAA"), format!("{signed}."), "eyJ".to_owned()] {
            let told = now(introspect(&desk.world(), &forged, Caller::Admin { scope: None }));
            assert_eq!(told.expect("the store answers"), Introspection::Inactive);
        }
        assert_eq!(desk.store.reads(), 0);
    }
}

mod rfc9700_4_14_2 {
    use super::*;

    fn refreshed(desk: &Desk, token: &str) -> Result<Value, Failure> {
        asked(desk, &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    #[test]
    fn a_repeated_refresh_gives_the_same_claims_whatever_time_it_is() {
        let desk = desk();
        let first = text(&redeemed(&desk, "openid offline"), "refresh_token");
        let one = refreshed(&desk, &first).expect("it is new");
        desk.advance(Duration::from_secs(5));
        let two = refreshed(&desk, &first).expect("it is within the grace period");
        assert_eq!(one["refresh_token"], two["refresh_token"]);
        let of = |answer: &Value| claims(&desk, &text(answer, "access_token"));
        assert_eq!(of(&one), of(&two));
        for answer in [&one, &two] {
            assert_eq!(described(&desk, &text(answer, "access_token"))["active"], true);
        }
    }

    #[test]
    fn a_repeated_refresh_keeps_to_the_form_of_the_first() {
        let mut desk = desk();
        let first = text(&redeemed(&desk, "openid offline"), "refresh_token");
        let one = refreshed(&desk, &first).expect("it is new");
        desk.policy.access_token.format = Format::Opaque;
        let two = refreshed(&desk, &first).expect("it is within the grace period");
        let of = |answer: &Value| claims(&desk, &text(answer, "access_token"));
        assert_eq!(of(&one), of(&two));
    }

    #[test]
    fn a_repeated_refresh_after_a_change_of_settings_gives_no_second_token() {
        let mut desk = desk();
        let first = text(&redeemed(&desk, "openid offline"), "refresh_token");
        refreshed(&desk, &first).expect("it is new");
        desk.policy.access_token.scope_claim = ScopeClaim::Both;
        let refused = refreshed(&desk, &first).expect_err("its claims would differ");
        assert_eq!(refused.fault(), crate::fault::Fault::RefreshTokenUsed);
    }
}
