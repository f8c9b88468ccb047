//! Discovery metadata, derived from the tables of the code: what is listed works, and what works is listed (D31).
//!
//! Implements OpenID Connect Discovery 1.0 §3, Initiating User Registration 1.0 §4 (`prompt_values_supported`), RFC 7591 §3,
//! RFC 8414 §2, RFC 8628 §4, RFC 9207 §3, RP-Initiated Logout §2.1, Front-Channel Logout §3, Back-Channel Logout §2.1 and,
//! for the members that clients of Hydra require, their shape.

use std::iter;

use claviger_jose::Alg;
use schemars::JsonSchema;
use serde::Serialize;

use crate::authorize::{prompt, response_mode, response_type};
use crate::client::AuthMethod;
use crate::context::Policy;
use crate::grant;
use crate::logout;

/// Paths behind the public URL.
const AUTHORIZATION: &str = "/oauth2/auth";
const TOKEN: &str = "/oauth2/token";
const DEVICE_AUTHORIZATION: &str = "/oauth2/device/auth";
const REGISTRATION: &str = "/oauth2/register";
const JWKS: &str = "/.well-known/jwks.json";
const USERINFO: &str = "/userinfo";
const REVOCATION: &str = "/oauth2/revoke";
const INTROSPECTION: &str = "/oauth2/introspect";
const END_SESSION: &str = logout::answer::PATH;

/// The scopes that mean something to the server itself.
const SCOPES: [&str; 3] = ["offline_access", "offline", "openid"];
/// The claims about a person and their login that the server itself makes; the others come from the consent application.
const CLAIMS: [&str; 9] = ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid"];

/// The document of both well-known addresses.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "oidcConfiguration")]
pub struct Metadata<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    device_authorization_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    jwks_uri: String,
    userinfo_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    end_session_endpoint: String,
    frontchannel_logout_supported: bool,
    frontchannel_logout_session_supported: bool,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    scopes_supported: Vec<&'a str>,
    claims_supported: Vec<&'a str>,
    response_types_supported: [&'static str; response_type::ALL.len()],
    response_modes_supported: [&'static str; response_mode::ALL.len()],
    grant_types_supported: Vec<&'static str>,
    prompt_values_supported: [&'static str; prompt::VALUES.len()],
    subject_types_supported: Vec<&'static str>,
    id_token_signing_alg_values_supported: Vec<&'static str>,
    /// Hydra's own member, which its SDK for Go requires: the algorithm of new ID tokens.
    id_token_signed_response_alg: [&'static str; 1],
    userinfo_signing_alg_values_supported: Vec<&'static str>,
    /// Likewise.
    userinfo_signed_response_alg: [&'static str; 1],
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    token_endpoint_auth_signing_alg_values_supported: [&'static str; Alg::ALL.len()],
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_signing_alg_values_supported: [&'static str; Alg::ALL.len()],
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_signing_alg_values_supported: [&'static str; Alg::ALL.len()],
    code_challenge_methods_supported: [&'static str; 1],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    require_request_uri_registration: bool,
    request_object_signing_alg_values_supported: Vec<&'static str>,
    authorization_response_iss_parameter_supported: bool,
}

/// The metadata of a provider that holds signing keys for `algorithms`.
#[must_use]
pub fn metadata<'a>(policy: &'a Policy, algorithms: &[Alg]) -> Metadata<'a> {
    let at = |path: &str| format!("{}{path}", policy.public_url);
    let or = |given: &Option<String>, path: &str| given.clone().unwrap_or_else(|| at(path));
    let given = &policy.advertised;
    let methods = || AuthMethod::ALL.into_iter();
    Metadata {
        issuer: &policy.issuer,
        authorization_endpoint: or(&given.authorization, AUTHORIZATION),
        token_endpoint: or(&given.token, TOKEN),
        device_authorization_endpoint: or(&given.device_authorization, DEVICE_AUTHORIZATION),
        // Whoever names one has something that registers clients, if we do not.
        registration_endpoint: given
            .registration
            .clone()
            .or_else(|| policy.dynamic_registration.then(|| at(REGISTRATION))),
        jwks_uri: or(&given.jwks, JWKS),
        userinfo_endpoint: or(&given.userinfo, USERINFO),
        revocation_endpoint: at(REVOCATION),
        introspection_endpoint: at(INTROSPECTION),
        end_session_endpoint: at(END_SESSION),
        frontchannel_logout_supported: true,
        frontchannel_logout_session_supported: true,
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        scopes_supported: with(&SCOPES, &policy.supported_scopes),
        claims_supported: with(&CLAIMS, &policy.supported_claims),
        response_types_supported: response_type::ALL,
        response_modes_supported: response_mode::ALL.map(|mode| mode.name),
        grant_types_supported: grant::supported().chain(["implicit"]).collect(),
        prompt_values_supported: prompt::VALUES,
        subject_types_supported: subject_types(policy),
        id_token_signing_alg_values_supported: signing(policy, algorithms),
        id_token_signed_response_alg: [policy.id_token_alg.as_str()],
        userinfo_signing_alg_values_supported: iter::once("none").chain(signing(policy, algorithms)).collect(),
        userinfo_signed_response_alg: [policy.id_token_alg.as_str()],
        token_endpoint_auth_methods_supported: methods().map(AuthMethod::as_str).collect(),
        token_endpoint_auth_signing_alg_values_supported: Alg::ALL.map(Alg::as_str),
        revocation_endpoint_auth_signing_alg_values_supported: Alg::ALL.map(Alg::as_str),
        introspection_endpoint_auth_signing_alg_values_supported: Alg::ALL.map(Alg::as_str),
        revocation_endpoint_auth_methods_supported: methods().map(AuthMethod::as_str).collect(),
        // A public client cannot prove who it is, and tokens are described to nobody else (RFC 7662 §2.1).
        introspection_endpoint_auth_methods_supported: methods()
            .filter(|method| *method != AuthMethod::None)
            .map(AuthMethod::as_str)
            .collect(),
        code_challenge_methods_supported: ["S256"],
        claims_parameter_supported: true,
        request_parameter_supported: true,
        request_uri_parameter_supported: true,
        require_request_uri_registration: true,
        request_object_signing_alg_values_supported: iter::once("none").chain(Alg::ALL.map(Alg::as_str)).collect(),
        authorization_response_iss_parameter_supported: true,
    }
}

/// Whether `path` is what follows `/.well-known/oauth-authorization-server` for this issuer: its path without the final
/// slash (RFC 8414 §3.1).
#[must_use]
pub fn is_issuer_path(policy: &Policy, path: &str) -> bool {
    url::Url::parse(&policy.issuer)
        .is_ok_and(|issuer| issuer.path().trim_end_matches('/') == path.trim_end_matches('/'))
}

/// The configured algorithm, the others that have a key, and RS256, which "MUST be included" (Discovery §3). A client may
/// choose any: the first one that does, makes its key.
fn signing(policy: &Policy, algorithms: &[Alg]) -> Vec<&'static str> {
    let mut names = vec![policy.id_token_alg.as_str()];
    for alg in algorithms.iter().chain([&Alg::RS256]) {
        if !names.contains(&alg.as_str()) {
            names.push(alg.as_str());
        }
    }
    names
}

/// Our own entries and the operator's, each once.
fn with<'a>(own: &[&'static str], configured: &'a [String]) -> Vec<&'a str> {
    let mut all: Vec<&str> = own.to_vec();
    for entry in configured {
        if !all.contains(&entry.as_str()) {
            all.push(entry);
        }
    }
    all
}

fn subject_types(policy: &Policy) -> Vec<&'static str> {
    let public = policy.public_subjects.then_some("public");
    let pairwise = policy.pairwise_salt.as_ref().map(|_| "pairwise");
    public.into_iter().chain(pairwise).collect()
}

#[cfg(test)]
mod rfc8414_2 {
    use serde_json::{Value, json};

    use super::*;
    use crate::context::Advertised;
    use crate::subject::PairwiseSalt;
    use crate::testing::Desk;

    fn document(policy: &Policy, algorithms: &[Alg]) -> Value {
        serde_json::to_value(metadata(policy, algorithms)).expect("the document is JSON")
    }

    #[test]
    fn d31_every_endpoint_is_behind_the_public_url_and_the_issuer_stays_verbatim() {
        let mut policy = Desk::new().policy;
        policy.issuer = "https://issuer.example/base/".to_owned();
        policy.public_url = "https://public.example/x".to_owned();
        let document = document(&policy, &[Alg::ES256]);
        assert_eq!(document["issuer"], "https://issuer.example/base/");
        let members = document.as_object().expect("an object");
        let endpoints: Vec<_> = members
            .iter()
            .filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri")
            .collect();
        assert_eq!(endpoints.len(), 8);
        for (name, url) in endpoints {
            let url = url.as_str().expect("a URL");
            assert!(url.starts_with("https://public.example/x/"), "{name}: {url}");
        }
    }

    #[test]
    fn d31_what_does_not_work_is_not_listed() {
        let document = document(&Desk::new().policy, &[Alg::ES256]);
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(document["subject_types_supported"], json!(["public"]));
        assert!(document.get("registration_endpoint").is_none());
    }

    #[test]
    fn d31_what_works_is_listed() {
        let document = document(&Desk::new().policy, &[Alg::ES256]);
        assert_eq!(
            document["introspection_endpoint"],
            "https://op.example/oauth2/introspect"
        );
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        let methods = AuthMethod::ALL.map(AuthMethod::as_str);
        assert_eq!(document["token_endpoint_auth_methods_supported"], json!(methods));
        let proving = &document["introspection_endpoint_auth_methods_supported"];
        assert_eq!(
            *proving,
            json!([
                "client_secret_post",
                "client_secret_basic",
                "private_key_jwt",
                "client_secret_jwt"
            ])
        );
    }

    #[test]
    fn d31_registration_is_listed_where_it_is_enabled() {
        let mut policy = Desk::new().policy;
        policy.dynamic_registration = true;
        let document = document(&policy, &[Alg::ES256]);
        assert_eq!(document["registration_endpoint"], "https://op.example/oauth2/register");
    }

    #[test]
    fn addresses_of_what_stands_in_front_of_us_take_the_place_of_ours() {
        let mut policy = Desk::new().policy;
        let at = |name: &str| Some(format!("https://gateway.example/{name}"));
        policy.advertised = Advertised {
            jwks: at("jwks"),
            token: at("token"),
            authorization: at("auth"),
            device_authorization: at("device"),
            registration: at("register"),
            userinfo: at("userinfo"),
        };
        let document = document(&policy, &[Alg::ES256]);
        for (member, name) in [
            ("jwks_uri", "jwks"),
            ("token_endpoint", "token"),
            ("authorization_endpoint", "auth"),
            ("device_authorization_endpoint", "device"),
            ("registration_endpoint", "register"),
            ("userinfo_endpoint", "userinfo"),
        ] {
            assert_eq!(document[member], format!("https://gateway.example/{name}"), "{member}");
        }
        assert_eq!(document["revocation_endpoint"], "https://op.example/oauth2/revoke");
    }

    #[test]
    fn the_algorithm_of_new_id_tokens_comes_first_and_that_of_older_ones_stays() {
        let mut policy = Desk::new().policy;
        policy.id_token_alg = Alg::ES256;
        let document = document(&policy, &[Alg::RS256, Alg::ES256]);
        assert_eq!(
            document["id_token_signing_alg_values_supported"],
            json!(["ES256", "RS256"])
        );
        assert_eq!(document["id_token_signed_response_alg"], json!(["ES256"]));
        assert_eq!(
            document["userinfo_signing_alg_values_supported"],
            json!(["none", "ES256", "RS256"])
        );
    }

    /// Discovery §3, whichever algorithm is configured.
    #[test]
    fn rs256_is_always_listed_once() {
        for algorithms in [&[][..], &[Alg::ES256], &[Alg::RS256, Alg::EdDSA]] {
            for configured in [Alg::ES256, Alg::EdDSA, Alg::RS256] {
                let mut policy = Desk::new().policy;
                policy.id_token_alg = configured;
                let document = document(&policy, algorithms);
                let listed = document["id_token_signing_alg_values_supported"]
                    .as_array()
                    .expect("a list");
                assert_eq!(listed[0], configured.as_str());
                assert_eq!(listed.iter().filter(|name| *name == "RS256").count(), 1, "{listed:?}");
            }
        }
    }

    #[test]
    fn the_operators_scopes_and_claims_follow_ours_once() {
        let mut policy = Desk::new().policy;
        policy.supported_scopes = vec!["photos".to_owned(), "openid".to_owned()];
        policy.supported_claims = vec!["email".to_owned(), "email".to_owned()];
        let document = document(&policy, &[Alg::ES256]);
        let scopes = json!(["offline_access", "offline", "openid", "photos"]);
        assert_eq!(document["scopes_supported"], scopes);
        let claims = json!([
            "sub",
            "iss",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "acr",
            "amr",
            "sid",
            "email"
        ]);
        assert_eq!(document["claims_supported"], claims);
    }

    /// Turns a setting on, and names the members of the document that depend on it.
    type Switch = (fn(&mut Policy), &'static [&'static str]);

    /// Each feature that a setting switches changes these members, and no others.
    #[test]
    fn what_a_setting_switches_is_listed_if_and_only_if_it_is_on() {
        let switches: [Switch; 5] = [
            (|policy| policy.dynamic_registration = true, &["registration_endpoint"]),
            (
                |policy| policy.pairwise_salt = Some(PairwiseSalt::new("a salt of some length".to_owned())),
                &["subject_types_supported"],
            ),
            (
                |policy| policy.id_token_alg = Alg::EdDSA,
                &[
                    "id_token_signed_response_alg",
                    "id_token_signing_alg_values_supported",
                    "userinfo_signed_response_alg",
                    "userinfo_signing_alg_values_supported",
                ],
            ),
            (
                |policy| policy.supported_scopes = vec!["photos".to_owned()],
                &["scopes_supported"],
            ),
            (
                |policy| policy.supported_claims = vec!["email".to_owned()],
                &["claims_supported"],
            ),
        ];
        let usual = document(&Desk::new().policy, &[Alg::ES256]);
        for (switch, expected) in switches {
            let mut policy = Desk::new().policy;
            switch(&mut policy);
            let switched = document(&policy, &[Alg::ES256]);
            let members = switched.as_object().expect("an object").keys();
            let changed: Vec<&str> = members
                .filter(|name| usual.get(*name) != switched.get(*name))
                .map(String::as_str)
                .collect();
            assert_eq!(changed, expected);
            assert_eq!(
                switched.as_object().map(serde_json::Map::len),
                usual
                    .as_object()
                    .map(|usual| usual.len() + usize::from(!usual.contains_key(expected[0])))
            );
        }
    }

    #[test]
    fn every_listed_prompt_is_understood() {
        for word in prompt::VALUES {
            assert!(prompt::Prompt::parse(word).is_ok(), "{word}");
        }
    }

    /// RFC 8414 §3.1.
    #[test]
    fn the_path_of_the_issuer_follows_the_well_known_part() {
        let mut policy = Desk::new().policy;
        assert!(is_issuer_path(&policy, "") && !is_issuer_path(&policy, "/x"));
        policy.issuer = "https://op.example/tenant/".to_owned();
        assert!(
            is_issuer_path(&policy, "/tenant") && !is_issuer_path(&policy, "/tenant/x") && !is_issuer_path(&policy, "")
        );
    }
}
