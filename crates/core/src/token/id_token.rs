//! ID tokens.
//!
//! Implements OpenID Connect Core §2 (claims), §3.1.3.6 (`at_hash`), §3.3.2.11 (`c_hash`, and `s_hash` of FAPI) and §12.2 (after a refresh the subject, `auth_time`
//! and `nonce` are the original ones).
//!
//! Attacks: a consent app, or whoever fills its claims, that passes for another subject, client or session: claims of
//! the protocol are never taken from it.

use std::time::Duration;

use claviger_jose::{Alg, hash_half};
use serde_json::{Map, Value};

use crate::consented::Consented;
use crate::context::Cx;
use crate::fault::Failure;
use crate::port::GrantRecord;
use crate::subject::shown;
use crate::world::World;

/// Claims that only this server sets, whether a token carries them or not. `rat` is one of Hydra's.
pub(crate) const RESERVED: [&str; 16] = [
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "c_hash",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "rat",
    "s_hash",
    "sid",
    "sub",
];

/// What an ID token is made from.
pub struct IdToken<'a> {
    /// The algorithm that the client chose, if it did.
    pub alg: Option<Alg>,
    /// The consent of the person.
    pub grant: &'a GrantRecord,
    /// The opened session of the grant.
    pub consented: &'a Consented,
    /// What it vouches for.
    pub beside: Beside<'a>,
    /// How long it is valid.
    pub life: Duration,
}

/// What goes to the client in the same answer, so that nobody can exchange it on the way.
#[derive(Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The access token: `at_hash`.
    pub access_token: Option<&'a str>,
    /// The code: `c_hash`.
    pub code: Option<&'a str>,
    /// `state` of the request: `s_hash`.
    pub state: Option<&'a str>,
}

impl IdToken<'_> {
    /// The signed token.
    ///
    /// # Errors
    /// If there is no key, or it does not sign.
    pub async fn sign(&self, world: &World<'_>) -> Result<String, Failure> {
        // It may come back as a hint as long as its session lasts, whether it has expired or not.
        let use_ = self.life.max(world.cx.policy.session_life);
        let key = world.keys.signing(&world.cx, self.alg, world.cx.now.plus(use_)).await?;
        let broken = |why: String| Failure::Internal(format!("an ID token cannot be signed: {why}"));
        let claims = self.claims(&world.cx, key.alg());
        let payload = serde_json::to_vec(&claims).map_err(|error| broken(error.to_string()))?;
        key.sign_jws("JWT", &payload).map_err(|error| broken(error.to_string()))
    }

    fn claims(&self, cx: &Cx<'_>, alg: Alg) -> Map<String, Value> {
        let mut claims = extra_claims(self.consented);
        let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        set("iss", cx.policy.issuer.as_str().into());
        set("sub", shown(self.grant, self.consented).into());
        set("aud", vec![Value::from(&*self.grant.client_id)].into());
        set("exp", cx.now.plus(self.life).0.into());
        set("iat", cx.now.0.into());
        set("jti", cx.new_id().to_string().into());
        set("auth_time", self.consented.auth_time.into());
        let Beside {
            access_token,
            code,
            state,
        } = self.beside;
        for (name, vouched) in [("at_hash", access_token), ("c_hash", code), ("s_hash", state)] {
            if let Some(vouched) = vouched {
                set(name, hash_half(alg, vouched.as_bytes()).into());
            }
        }
        if let Some(session) = self.grant.session_id {
            set("sid", session.to_string().into());
        }
        if let Some(nonce) = &self.consented.nonce {
            set("nonce", nonce.as_str().into());
        }
        if let Some(acr) = &self.consented.acr {
            set("acr", acr.as_str().into());
        }
        if !self.consented.amr.is_empty() {
            set("amr", self.consented.amr.clone().into());
        }
        claims
    }
}

/// What the consent app added for the ID token, without the claims that only this server sets.
fn extra_claims(consented: &Consented) -> Map<String, Value> {
    let is_extra = |(name, _): &(&String, &Value)| !RESERVED.contains(&name.as_str());
    let extra = consented.id_token.iter().filter(is_extra);
    extra.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use claviger_jose::verify_jws;
    use serde_json::json;

    use super::*;
    use crate::testing::{Desk, START, now};

    fn token_of(desk: &Desk, consented: &Consented) -> (GrantRecord, Map<String, Value>) {
        let client = desk.register(&desk.draft("app"));
        let grant = desk.consent(&client, "openid", consented);
        let token = IdToken {
            alg: None,
            grant: &grant,
            consented,
            beside: Beside {
                access_token: Some("clv_at_example"),
                ..Beside::default()
            },
            life: Duration::from_secs(1800),
        };
        let signed = now(token.sign(&desk.world())).expect("a token is signed");
        let verified = verify_jws(&signed, &[desk.keys.verifying()], &[Alg::ES256]).expect("our own signature");
        assert_eq!(verified.header.typ.as_deref(), Some("JWT"));
        assert_eq!(verified.header.kid.as_deref(), Some("key-1"));
        (grant, verified.claims().expect("claims are an object"))
    }

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("no object") };
        map
    }

    mod openid_connect_core_2 {
        use super::*;

        #[test]
        fn a_token_says_who_logged_in_where_when_and_how() {
            let desk = Desk::new();
            let consented = Consented {
                auth_time: START.0 - 60,
                acr: Some("2".to_owned()),
                amr: vec!["pwd".to_owned(), "otp".to_owned()],
                nonce: Some("n-0S6_WzA2Mj".to_owned()),
                id_token: object(json!({"email": "alice@example.com"})),
                ..Consented::default()
            };
            let (grant, mut claims) = token_of(&desk, &consented);
            assert!(claims.remove("jti").is_some_and(|jti| jti.is_string()));
            let expected = json!({
                "iss": "https://op.example/", "sub": "alice", "aud": ["app"],
                "exp": START.0 + 1800, "iat": START.0, "auth_time": START.0 - 60,
                "at_hash": hash_half(Alg::ES256, b"clv_at_example"), "sid": grant.session_id.map(|id| id.to_string()),
                "nonce": "n-0S6_WzA2Mj", "acr": "2", "amr": ["pwd", "otp"], "email": "alice@example.com",
            });
            assert_eq!(Value::from(claims), expected);
        }

        #[test]
        fn what_is_not_known_is_absent_rather_than_empty() {
            let (_, claims) = token_of(&Desk::new(), &Consented::default());
            for name in ["nonce", "acr", "amr", "rat", "c_hash"] {
                assert!(!claims.contains_key(name), "{name}");
            }
        }

        #[test]
        fn claims_of_the_consent_app_never_take_the_place_of_the_protocols() {
            let mut forged: Map<String, Value> = RESERVED
                .iter()
                .map(|name| ((*name).to_owned(), json!("forged")))
                .collect();
            forged.insert("azp".to_owned(), json!("app"));
            let consented = Consented {
                id_token: forged,
                ..Consented::default()
            };
            let (_, claims) = token_of(&Desk::new(), &consented);
            assert!(claims.values().all(|value| *value != json!("forged")), "{claims:?}");
            assert_eq!((&claims["sub"], &claims["azp"]), (&json!("alice"), &json!("app")));
        }

        #[test]
        fn no_two_tokens_have_the_same_jti() {
            let desk = Desk::new();
            let (_, one) = token_of(&desk, &Consented::default());
            let (_, other) = token_of(&desk, &Consented::default());
            assert_ne!(one["jti"], other["jti"]);
        }
    }
}
