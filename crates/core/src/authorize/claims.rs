//! The parameter `claims`: single claims that a client asks for.
//!
//! Implements OpenID Connect Core §5.5 and §5.5.1. What this server itself answers for is enforced: `sub` with a value (the
//! person must be that one) and an essential `acr` with values (§5.5.1.1). All the rest is a wish that the login and consent
//! apps see in `oidc_context.claims`; they give claims by the consent answer's session. `auth_time` is always there.

use serde_json::{Map, Value};

use crate::fault::{Failure, Fault};
use crate::params::Params;

/// The wishes of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    /// Reads the parameter; nothing is wished without one.
    ///
    /// # Errors
    /// [`Fault::ClaimsMalformed`].
    pub(crate) fn parse(params: &Params) -> Result<Self, Failure> {
        let Some(text) = params.get("claims") else {
            return Ok(Self::default());
        };
        let document: Map<String, Value> = serde_json::from_str(text).map_err(|_| Fault::ClaimsMalformed)?;
        for place in ["id_token", "userinfo"] {
            let wishes = match document.get(place) {
                None | Some(Value::Null) => continue,
                Some(Value::Object(wishes)) => wishes,
                Some(_) => return Err(Fault::ClaimsMalformed.because(format!("'{place}' is no object."))),
            };
            if let Some((name, _)) = wishes.iter().find(|(_, wish)| !is_wish(wish)) {
                return Err(Fault::ClaimsMalformed.because(format!("What is wished of '{name}' is malformed.")));
            }
        }
        Ok(Self(document))
    }

    /// The document, for the apps.
    pub(crate) fn into_document(self) -> Map<String, Value> {
        self.0
    }

    /// The person that the client asks for, in its own words.
    pub(crate) fn subject(&self) -> Option<&str> {
        let wish = |place| self.wish(place, "sub")?.get("value")?.as_str();
        wish("id_token").or_else(|| wish("userinfo"))
    }

    /// The `acr` values that the client would like, best first.
    pub(crate) fn acr_values(&self) -> Vec<&str> {
        self.wish("id_token", "acr").map(values).unwrap_or_default()
    }

    /// "If this is an Essential Claim and the requirement cannot be met, then the Authorization Server MUST treat that outcome
    /// as a failed authentication attempt" (§5.5.1.1).
    pub(crate) fn is_met_by(&self, acr: Option<&str>) -> bool {
        let is_essential = |wish: &Map<String, Value>| wish.get("essential") == Some(&Value::Bool(true));
        let Some(wish) = self.wish("id_token", "acr").filter(|wish| is_essential(wish)) else {
            return true;
        };
        let accepted = values(wish);
        accepted.is_empty() || acr.is_some_and(|acr| accepted.contains(&acr))
    }

    fn wish(&self, place: &str, name: &str) -> Option<&Map<String, Value>> {
        self.0.get(place)?.get(name)?.as_object()
    }
}

/// `null`, or an object whose known members have their types. "Other members MAY be defined" (§5.5.1).
fn is_wish(wish: &Value) -> bool {
    match wish {
        Value::Null => true,
        Value::Object(wish) => {
            wish.get("essential").is_none_or(Value::is_boolean) && wish.get("values").is_none_or(Value::is_array)
        }
        _ => false,
    }
}

fn values(wish: &Map<String, Value>) -> Vec<&str> {
    let several = wish.get("values").and_then(Value::as_array).into_iter().flatten();
    wish.get("value")
        .into_iter()
        .chain(several)
        .filter_map(Value::as_str)
        .collect()
}

#[cfg(test)]
mod openid_connect_core_5_5 {
    use serde_json::json;

    use super::*;
    use crate::testing::form;

    fn claims(document: &Value) -> Claims {
        Claims::parse(&form(&[("claims", &document.to_string())])).expect("well-formed claims")
    }

    proptest::proptest! {
        /// Whatever is wished, it is read or refused, and what is answered from it is there.
        #[test]
        fn wishes_of_any_shape_are_read_or_refused(text in r#"\{("(id_token|userinfo|x)":(\{("(sub|acr|y)":(null|7|\{("(value|values|essential)":("a"|true|\["a","b"\]|null),?){0,2}\}),?){0,2}\}|null|7|\[\]),?){0,2}\}"#, noise in ".{0,40}") {
            for text in [text, noise] {
                if let Ok(claims) = Claims::parse(&form(&[("claims", &text)])) {
                    proptest::prop_assert!(claims.subject().is_none_or(|subject| text.contains(subject)));
                    proptest::prop_assert!(claims.acr_values().iter().all(|acr| text.contains(acr)));
                    let _ = claims.is_met_by(Some("a"));
                }
            }
        }
    }

    #[test]
    fn what_is_no_request_for_claims_is_refused() {
        for text in [
            "x",
            "[]",
            "null",
            r#"{"id_token": []}"#,
            r#"{"userinfo": {"email": true}}"#,
            r#"{"id_token": {"acr": {"essential": "yes"}}}"#,
            r#"{"id_token": {"acr": {"values": "urn:a"}}}"#,
        ] {
            let refused = Claims::parse(&form(&[("claims", text)])).expect_err(text);
            assert!(matches!(refused, Failure::Refused(Fault::ClaimsMalformed, _)), "{text}");
        }
        claims(
            &json!({"id_token": null, "userinfo": {"email": null, "name": {"essential": true, "x": 1}}, "other": 1}),
        );
    }

    #[test]
    fn an_essential_acr_must_be_met_and_a_voluntary_one_need_not() {
        let essential = claims(&json!({"id_token": {"acr": {"essential": true, "values": ["gold", "silver"]}}}));
        assert_eq!(essential.acr_values(), ["gold", "silver"]);
        assert!(essential.is_met_by(Some("silver")));
        assert!(!essential.is_met_by(Some("bronze")) && !essential.is_met_by(None));
        let voluntary = claims(&json!({"id_token": {"acr": {"value": "gold"}}}));
        assert_eq!(
            (voluntary.acr_values(), voluntary.is_met_by(None)),
            (vec!["gold"], true)
        );
        let any = claims(&json!({"id_token": {"acr": {"essential": true}}}));
        assert!(any.is_met_by(None), "no value is asked for");
    }

    #[test]
    fn a_person_may_be_asked_for() {
        assert_eq!(
            claims(&json!({"id_token": {"sub": {"value": "alice"}}})).subject(),
            Some("alice")
        );
        assert_eq!(
            claims(&json!({"userinfo": {"sub": {"value": "bob"}}})).subject(),
            Some("bob")
        );
        assert_eq!(claims(&json!({"id_token": {"sub": null}})).subject(), None);
    }
}
