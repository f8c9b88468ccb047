//! Discovery metadata, derived from the tables of the code: what is listed works, and what works is listed (D31).
//!
//! Implements OpenID Connect Discovery 1.0 §3, RFC 8414 §2, RFC 9207 §3 and, for the members that clients of Hydra
//! require, their shape.

use claviger_jose::Alg;
use serde::Serialize;

use crate::client::AuthMethod;
use crate::context::Policy;

/// Paths behind the public URL.
const AUTHORIZATION: &str = "/oauth2/auth";
const TOKEN: &str = "/oauth2/token";
const JWKS: &str = "/.well-known/jwks.json";
const USERINFO: &str = "/userinfo";
const REVOCATION: &str = "/oauth2/revoke";
const INTROSPECTION: &str = "/oauth2/introspect";

const GRANT_TYPES: [&str; 3] = ["authorization_code", "client_credentials", "refresh_token"];
const RESPONSE_TYPES: [&str; 1] = ["code"];
const RESPONSE_MODES: [&str; 2] = ["query", "form_post"];
/// The scopes that mean something to the server itself.
const SCOPES: [&str; 3] = ["offline_access", "offline", "openid"];
/// The claims that the server itself makes; the others come from the consent application.
const CLAIMS: [&str; 1] = ["sub"];

/// The document of both well-known addresses.
#[derive(Clone, Debug, Serialize)]
pub struct Metadata<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    scopes_supported: Vec<&'a str>,
    claims_supported: Vec<&'a str>,
    response_types_supported: &'static [&'static str],
    response_modes_supported: &'static [&'static str],
    grant_types_supported: &'static [&'static str],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: Vec<&'static str>,
    /// Hydra's own member, which its SDK for Go requires: the algorithm of new ID tokens.
    id_token_signed_response_alg: [&'static str; 1],
    userinfo_signing_alg_values_supported: [&'static str; 1],
    /// Likewise; userinfo is not signed.
    userinfo_signed_response_alg: [&'static str; 1],
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    code_challenge_methods_supported: [&'static str; 1],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    authorization_response_iss_parameter_supported: bool,
}

/// The metadata of a provider that holds signing keys for `algorithms`.
#[must_use]
pub fn metadata<'a>(policy: &'a Policy, algorithms: &[Alg]) -> Metadata<'a> {
    let at = |path: &str| format!("{}{path}", policy.public_url);
    let methods = || AuthMethod::ALL.into_iter();
    Metadata {
        issuer: &policy.issuer,
        authorization_endpoint: at(AUTHORIZATION),
        token_endpoint: at(TOKEN),
        jwks_uri: at(JWKS),
        userinfo_endpoint: at(USERINFO),
        revocation_endpoint: at(REVOCATION),
        introspection_endpoint: at(INTROSPECTION),
        scopes_supported: with(&SCOPES, &policy.supported_scopes),
        claims_supported: with(&CLAIMS, &policy.supported_claims),
        response_types_supported: &RESPONSE_TYPES,
        response_modes_supported: &RESPONSE_MODES,
        grant_types_supported: &GRANT_TYPES,
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: signing(policy, algorithms),
        id_token_signed_response_alg: [policy.id_token_alg.as_str()],
        userinfo_signing_alg_values_supported: ["none"],
        userinfo_signed_response_alg: ["none"],
        token_endpoint_auth_methods_supported: methods().map(AuthMethod::as_str).collect(),
        revocation_endpoint_auth_methods_supported: methods().map(AuthMethod::as_str).collect(),
        // A public client cannot prove who it is, and tokens are described to nobody else (RFC 7662 §2.1).
        introspection_endpoint_auth_methods_supported: methods()
            .filter(|method| *method != AuthMethod::None)
            .map(AuthMethod::as_str)
            .collect(),
        code_challenge_methods_supported: ["S256"],
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
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

/// ID tokens are signed with the configured algorithm; those signed with another one earlier still verify.
fn signing(policy: &Policy, algorithms: &[Alg]) -> Vec<&'static str> {
    let mut names = vec![policy.id_token_alg.as_str()];
    for alg in algorithms {
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
