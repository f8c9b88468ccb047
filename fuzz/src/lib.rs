//! What is fuzzed: for each parser that strangers or operators reach, what must hold whatever the bytes are.
//!
//! [`TARGETS`] is the table. A line is a program of its own for libFuzzer (`fuzz_targets/`), and goes through its corpus and
//! some thousand mutations of it in the tests of this crate. See `README.md`.

mod answers;
mod requests;
mod stage;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::LazyLock;

use claviger::config::tls::Networks;
use claviger::config::{Dsn, Sources, duration, load};
use claviger::edge::call::Peer;
use claviger::edge::lenient::lenient_json;
use claviger::edge::proxies::client_address;
use claviger_core::client::metadata::Metadata;
use claviger_core::client::patch::Patch;
use claviger_core::context::{Prefixes, ScopeStrategy};
use claviger_core::device::user_code::normalize;
use claviger_core::params::Params;
use claviger_core::scope;
use claviger_core::seal::{Purpose, open_text};
use claviger_core::secrets::Secrets;
use claviger_core::token::opaque::{Kind, Presented};
use claviger_core::trust::TrustRequest;
use claviger_jose::{Alg, Jwk, SigningKey, VerifyingKey, decode_unverified, parse_jwk_set, parse_object, verify_jws};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

pub use self::answers::{acceptance, hook, sector};
pub use self::requests::{claims, credentials, redirect_uri, request_object};

/// Looks at some bytes, and panics if what must hold does not.
pub type Target = fn(&[u8]);

/// Every target, by the name of its program and of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("params", params),
    ("json", json),
    ("jwk", jwk),
    ("jws", jws),
    ("token", token),
    ("sealed", sealed),
    ("user_code", user_code),
    ("scope", scopes),
    ("patch", patch),
    ("metadata", metadata),
    ("forwarded", forwarded),
    ("dsn", dsn),
    ("lifespan", lifespan),
    ("configuration", configuration),
    ("credentials", credentials),
    ("request_object", request_object),
    ("claims", claims),
    ("redirect_uri", redirect_uri),
    ("acceptance", acceptance),
    ("hook", hook),
    ("sector", sector),
];

static SECRETS: LazyLock<Secrets> =
    LazyLock::new(|| Secrets::derive(&["a secret of the fuzzer"]).expect("the secret is long enough"));

/// Queries and forms: what was read is written and read as it was, and holds no NUL.
pub fn params(data: &[u8]) {
    let Ok(params) = Params::parse(data) else { return };
    assert_eq!(Params::parse(params.encode().as_bytes()).as_ref(), Ok(&params));
    assert!(
        params
            .pairs()
            .iter()
            .all(|(name, value)| !name.contains('\0') && !value.contains('\0'))
    );
    let _ = (params.scope(), params.audience(), params.size());
}

/// Documents whose members must have different names: what serde reads differs only by being less strict.
pub fn json(data: &[u8]) {
    if let Ok(members) = parse_object(data) {
        assert_eq!(serde_json::from_slice::<Value>(data).ok(), Some(Value::Object(members)));
    }
}

/// Keys: the public half of a private one has the same thumbprint and nothing private, and a key reads as it was written.
pub fn jwk(data: &[u8]) {
    if let Ok(set) = serde_json::from_slice(data) {
        let _ = parse_jwk_set(set);
    }
    let Ok(key) = Jwk::from_slice(data) else { return };
    let again = Jwk::from_slice(&key.to_json()).expect("it was written by this program");
    assert_eq!(again.thumbprint(), key.thumbprint());
    if let Some(public) = key.public() {
        assert!(!public.is_private());
        assert_eq!(public.thumbprint(), key.thumbprint());
    }
    let _ = (VerifyingKey::from_jwk(&key), SigningKey::from_jwk(&key));
}

/// Signed texts: nothing of strangers verifies under a key that they do not have.
pub fn jws(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(unverified) = decode_unverified(text) {
        let _ = unverified.claims();
    }
    let key = VerifyingKey::from_secret(Alg::HS256, b"nobody outside knows these octets").expect("a key");
    assert!(verify_jws(text, &[key], &Alg::ALL).is_err());
}

/// Opaque tokens: none of strangers is one of ours, of whatever kind.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for kind in [
        Kind::Access,
        Kind::Refresh,
        Kind::Code,
        Kind::Device,
        Kind::Registration,
    ] {
        assert!(Presented::recognize(&SECRETS, kind, text).is_none());
    }
    let _ = Prefixes::default();
}

/// Sealed values: none of strangers opens.
pub fn sealed(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for purpose in [
        Purpose::LoginChallenge,
        Purpose::ConsentVerifier,
        Purpose::SessionCookie,
        Purpose::ClientPage,
    ] {
        assert!(open_text(&SECRETS, purpose, text).is_err());
    }
}

/// What people type as a code: read once, it reads the same again.
pub fn user_code(data: &[u8]) {
    let typed = String::from_utf8_lossy(data);
    let code = normalize(&typed);
    assert_eq!(normalize(&code), code);
    assert!(
        code.bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    );
}

/// Registered and requested scopes and audiences, on two lines: what equals is allowed, and nothing is out of nothing.
pub fn scopes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (registered, requested) = text.split_once('\n').unwrap_or((&text, ""));
    for strategy in [ScopeStrategy::Exact, ScopeStrategy::Wildcard, ScopeStrategy::Hierarchic] {
        let none: [&str; 0] = [];
        assert!(!scope::allows(strategy, &none, requested));
        let _ = scope::allows(strategy, &[registered], requested);
    }
    assert!(scope::allows(ScopeStrategy::Exact, &[requested], requested));
    assert!(scope::audience_allows(requested, requested));
    let _ = (
        scope::audience_allows(registered, requested),
        scope::is_scope_token(requested),
    );
}

/// A JSON Patch and what it is applied to, as two members of a list.
pub fn patch(data: &[u8]) {
    let Ok(Value::Array(mut both)) = serde_json::from_slice(data) else {
        return;
    };
    let (Some(mut document), Some(operations)) = (both.pop(), both.pop()) else {
        return;
    };
    if let Ok(patch) = Patch::parse(operations) {
        let before = document.clone();
        if patch.apply(&mut document).is_ok() && !patch.touches(|_| true) {
            assert_eq!(document, before);
        }
    }
}

/// Documents of the admin API, which are read leniently: what was read and written is read as it was.
pub fn metadata(data: &[u8]) {
    let _ = lenient_json::<TrustRequest>(data);
    let Ok(metadata) = lenient_json::<Metadata>(data) else {
        return;
    };
    let written = serde_json::to_vec(&metadata).expect("metadata is JSON");
    let again = lenient_json::<Metadata>(&written).expect("it was written by this program");
    let names = |metadata: &Metadata| {
        (
            metadata.client_id.clone(),
            metadata.redirect_uris.clone(),
            metadata.scope.clone(),
        )
    };
    assert_eq!(names(&again), names(&metadata));
}

/// `X-Forwarded-For`: without proxies that are trusted, the peer is the client.
pub fn forwarded(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.append("x-forwarded-for", value.clone());
    headers.append("x-forwarded-for", value);
    let peer = SocketAddr::from(([10, 0, 0, 1], 4444));
    let nobody = client_address(Peer::Network(peer), &headers, &Networks::default());
    assert_eq!(nobody, Some(peer.ip()));
    let proxies = Networks::parse(["10.0.0.0/8"]).expect("a network");
    let _ = client_address(Peer::Network(peer), &headers, &proxies);
}

/// Addresses of databases: the form that drivers read is one too.
pub fn dsn(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(dsn) = Dsn::parse(&text) {
        assert!(Dsn::parse(dsn.to_url().expose()).is_ok(), "{text}");
    }
}

/// Durations: two behind each other are their sum.
pub fn lifespan(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(once) = duration::parse(&text) {
        let twice = duration::parse(&format!("{text}{text}"));
        assert!(twice.is_none_or(|twice| twice == once * 2), "{text}");
    }
}

/// Configuration files in each of the three languages.
pub fn configuration(data: &[u8]) {
    for end in [".yaml", ".json", ".toml"] {
        let mut file = tempfile::Builder::new()
            .suffix(end)
            .tempfile()
            .expect("a file can be made");
        file.write_all(data).expect("it can be written");
        let sources = Sources {
            files: vec![file.path().to_owned()],
            ..Sources::default()
        };
        let _ = load(sources);
    }
}
