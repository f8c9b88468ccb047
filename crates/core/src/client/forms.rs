//! The form of each member of a client's metadata.
//!
//! RFC 7591 §2, RFC 6749 §3.1.2 and RFC 8252 §7 (redirect URIs), Back-Channel Logout §2.2, OpenID Connect Dynamic Client
//! Registration §2.

use std::slice::from_ref;

use claviger_jose::Alg;
use url::Url;

use super::choices::{PAIRWISE, PUBLIC};
use super::metadata::Metadata;

/// Every grant type that clients of Hydra are registered for. Whether the token endpoint serves one is its own matter.
const GRANT_TYPES: [&str; 6] = [
    "authorization_code",
    "client_credentials",
    "implicit",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
];

/// The words of a `response_type` (OAuth 2.0 Multiple Response Type Encoding Practices §3 and §5).
const RESPONSE_WORDS: [&str; 3] = ["code", "id_token", "token"];

/// Schemes that make a browser run or show what the URI itself holds.
const DANGEROUS_SCHEMES: [&str; 7] = ["about", "blob", "data", "file", "filesystem", "javascript", "vbscript"];

/// One member whose value, or each of whose values, must have a form.
pub(super) struct Rule {
    /// Its name.
    pub(super) member: &'static str,
    /// Its value, or its values.
    pub(super) values: fn(&Metadata) -> &[String],
    /// Says what is wrong with a value.
    pub(super) form: fn(&str) -> Result<(), &'static str>,
}

const fn rule(
    member: &'static str,
    values: fn(&Metadata) -> &[String],
    form: fn(&str) -> Result<(), &'static str>,
) -> Rule {
    Rule { member, values, form }
}

/// In the order in which they are checked. Empty values were taken out before.
pub(super) const RULES: &[Rule] = &[
    rule("client_name", |m| from_ref(&m.client_name), text),
    rule("owner", |m| from_ref(&m.owner), text),
    rule("grant_types", |m| &m.grant_types, grant_type),
    rule("response_types", |m| &m.response_types, response_type),
    rule("audience", |m| &m.audience, audience),
    rule("policy_uri", |m| from_ref(&m.policy_uri), web_page),
    rule("tos_uri", |m| from_ref(&m.tos_uri), web_page),
    rule("client_uri", |m| from_ref(&m.client_uri), web_page),
    rule("logo_uri", |m| from_ref(&m.logo_uri), web_page),
    rule("contacts", |m| &m.contacts, text),
    rule("allowed_cors_origins", |m| &m.allowed_cors_origins, origin),
    rule("subject_type", |m| from_ref(&m.subject_type), subject_type),
    rule("application_type", |m| from_ref(&m.application_type), application_type),
    rule("sector_identifier_uri", |m| from_ref(&m.sector_identifier_uri), sector),
    rule("jwks_uri", |m| from_ref(&m.jwks_uri), endpoint),
    rule(
        "token_endpoint_auth_signing_alg",
        |m| from_ref(&m.token_endpoint_auth_signing_alg),
        algorithm,
    ),
    rule("request_uris", |m| &m.request_uris, web_page),
    rule(
        "request_object_signing_alg",
        |m| from_ref(&m.request_object_signing_alg),
        algorithm_or_none,
    ),
    rule(
        "userinfo_signed_response_alg",
        |m| from_ref(&m.userinfo_signed_response_alg),
        own_algorithm_or_none,
    ),
    rule(
        "id_token_signed_response_alg",
        |m| from_ref(&m.id_token_signed_response_alg),
        own_algorithm,
    ),
    rule(
        "id_token_encrypted_response_alg",
        |m| from_ref(&m.id_token_encrypted_response_alg),
        encryption,
    ),
    rule(
        "id_token_encrypted_response_enc",
        |m| from_ref(&m.id_token_encrypted_response_enc),
        encryption,
    ),
    rule(
        "userinfo_encrypted_response_alg",
        |m| from_ref(&m.userinfo_encrypted_response_alg),
        encryption,
    ),
    rule(
        "userinfo_encrypted_response_enc",
        |m| from_ref(&m.userinfo_encrypted_response_enc),
        encryption,
    ),
    rule(
        "request_object_encryption_alg",
        |m| from_ref(&m.request_object_encryption_alg),
        encryption,
    ),
    rule(
        "request_object_encryption_enc",
        |m| from_ref(&m.request_object_encryption_enc),
        encryption,
    ),
    rule("default_acr_values", |m| &m.default_acr_values, acr_value),
    rule(
        "frontchannel_logout_uri",
        |m| from_ref(&m.frontchannel_logout_uri),
        web_page,
    ),
    rule(
        "backchannel_logout_uri",
        |m| from_ref(&m.backchannel_logout_uri),
        endpoint,
    ),
    rule("initiate_login_uri", |m| from_ref(&m.initiate_login_uri), secure),
    rule(
        "access_token_strategy",
        |m| from_ref(&m.access_token_strategy),
        strategy,
    ),
];

/// Whether `http` is safe for one is asked when it is used: which hosts may have it depends on the operator.
pub(super) fn redirect_uri(value: &str) -> Result<(), &'static str> {
    // "The endpoint URI MUST NOT include a fragment component" (RFC 6749 §3.1.2).
    if value.contains('#') {
        return Err("has a fragment; leave out the # and what follows");
    }
    let url = uri(value)?;
    match url.scheme() {
        "http" | "https" => has_authority(value, &url),
        scheme if DANGEROUS_SCHEMES.contains(&scheme) => Err("has a scheme that leads to no application"),
        _ => Ok(()),
    }
}

/// An absolute URI (RFC 6749 §3.1.2) that everybody reads alike.
fn uri(value: &str) -> Result<Url, &'static str> {
    // Browsers read backslashes, tabs and the like in ways of their own; RFC 3986 §2 does not have them.
    let is_reserved_or_unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    if !value.bytes().all(is_reserved_or_unreserved) {
        return Err("has characters that a URI cannot have; percent-encode them");
    }
    let url = Url::parse(value).map_err(|_| "is not an absolute URI, as https://app.example/callback is")?;
    // "Applications should not render as clear text any data after the first colon", "a reliable source of confusion"
    // (RFC 3986 §3.2.1, §7.6): what stands before the @ looks like the host.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name; leave out the @ and what stands before it");
    }
    Ok(url)
}

/// `https:host` reads like `https://host` to browsers only.
fn has_authority(value: &str, url: &Url) -> Result<(), &'static str> {
    let rest = value.get(url.scheme().len()..).unwrap_or_default();
    let authority = rest.strip_prefix("://").unwrap_or_default();
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    // An empty user name is none for the parser.
    let is_named = !authority.is_empty() && !authority.contains('@');
    if is_named && url.host_str().is_some_and(|host| !host.is_empty()) {
        Ok(())
    } else {
        Err("names no host; write https:// and the host")
    }
}

fn text(value: &str) -> Result<(), &'static str> {
    if value.contains('\0') {
        return Err("has a NUL character, which databases cannot keep");
    }
    Ok(())
}

fn grant_type(value: &str) -> Result<(), &'static str> {
    if GRANT_TYPES.contains(&value) {
        return Ok(());
    }
    Err(
        "is not a grant type of this server; those are authorization_code, client_credentials, implicit, refresh_token, \
         urn:ietf:params:oauth:grant-type:device_code and urn:ietf:params:oauth:grant-type:jwt-bearer",
    )
}

fn response_type(value: &str) -> Result<(), &'static str> {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let is_repeated = |word: &&str| words.iter().filter(|other| *other == word).count() > 1;
    if words.is_empty()
        || words
            .iter()
            .any(|word| !RESPONSE_WORDS.contains(word) || is_repeated(word))
    {
        return Err("is not a response type; those are combinations of code, id_token and token");
    }
    Ok(())
}

fn audience(value: &str) -> Result<(), &'static str> {
    if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("has spaces or control characters, which an audience cannot be asked for with");
    }
    Ok(())
}

/// Something that a browser opens.
fn web_page(value: &str) -> Result<(), &'static str> {
    let url = uri(value)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be a URL with https or http");
    }
    has_authority(value, &url)
}

/// Something that this server calls (Back-Channel Logout §2.2: "MUST NOT include a fragment component").
fn endpoint(value: &str) -> Result<(), &'static str> {
    if value.contains('#') {
        return Err("has a fragment, which cannot be asked for; leave it out");
    }
    web_page(value)
}

/// OpenID Connect Dynamic Client Registration §2: "URI using the https scheme".
fn secure(value: &str) -> Result<(), &'static str> {
    web_page(value)?;
    match value.get(..8) {
        Some(scheme) if scheme.eq_ignore_ascii_case("https://") => Ok(()),
        _ => Err("must be a URL with https"),
    }
}

/// An origin of the Fetch standard, or one whose host begins with `*.`.
fn origin(value: &str) -> Result<(), &'static str> {
    web_page(value)?;
    let url = Url::parse(value).map_err(|_| "is not an absolute URL")?;
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if is_bare {
        Ok(())
    } else {
        Err("is not an origin; leave only the scheme, the host and the port")
    }
}

fn subject_type(value: &str) -> Result<(), &'static str> {
    match value {
        PUBLIC | PAIRWISE => Ok(()),
        _ => Err("is not a kind of subject identifiers; use public or pairwise"),
    }
}

/// "a URL using the https scheme" (OpenID Connect Dynamic Client Registration §2).
fn sector(value: &str) -> Result<(), &'static str> {
    endpoint(value)?;
    if value.starts_with("https:") {
        Ok(())
    } else {
        Err("must be an https URL")
    }
}

fn algorithm(value: &str) -> Result<(), &'static str> {
    match Alg::parse(value) {
        Some(_) => Ok(()),
        None => Err("is not a signature algorithm that is supported; RS256 and ES256 are"),
    }
}

fn algorithm_or_none(value: &str) -> Result<(), &'static str> {
    if value == "none" { Ok(()) } else { algorithm(value) }
}

/// An algorithm by which this server signs. What is shared with a client cannot sign: only digests of secrets are kept.
fn own_algorithm(value: &str) -> Result<(), &'static str> {
    match Alg::parse(value).filter(|alg| !alg.is_symmetric()) {
        Some(_) => Ok(()),
        None => Err("is not an algorithm that this server signs by; RS256 and ES256 are"),
    }
}

fn own_algorithm_or_none(value: &str) -> Result<(), &'static str> {
    if value == "none" { Ok(()) } else { own_algorithm(value) }
}

fn application_type(value: &str) -> Result<(), &'static str> {
    match value {
        "web" | "native" => Ok(()),
        _ => Err("is not a kind of application; use web or native"),
    }
}

/// A client that asked for secrecy must not get less without a word.
fn encryption(_: &str) -> Result<(), &'static str> {
    Err("asks for encryption, which this server does not do; leave the member out")
}

/// Requested as `acr_values`, a list that is delimited by spaces (OpenID Connect Core §3.1.2.1).
fn acr_value(value: &str) -> Result<(), &'static str> {
    if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("has spaces or control characters, which no request could ask for");
    }
    Ok(())
}

fn strategy(value: &str) -> Result<(), &'static str> {
    match value {
        "opaque" | "jwt" => Ok(()),
        _ => Err("is not a form of access tokens; use opaque or jwt"),
    }
}
