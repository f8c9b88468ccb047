//! Properties of every parser that strangers reach: whatever is sent, nothing panics, nothing is read two ways, and what this
//! program wrote is read as it was.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::authorize::is_registered;
use crate::client::metadata::Metadata;
use crate::client::patch::Patch;
use crate::client::validate::validate;
use crate::context::{Id, Prefixes, ScopeStrategy};
use crate::device::user_code;
use crate::params::Params;
use crate::scope;
use crate::seal::{self, Purpose};
use crate::secrets::Secrets;
use crate::testing::Desk;
use crate::token::opaque::{Fresh, Kind, Presented};
use crate::token::testing::Counter;
use crate::trust::{self, TrustRequest};

/// Made once: its keys take their time.
static DESK: LazyLock<Desk> = LazyLock::new(Desk::new);

fn secrets() -> Secrets {
    Secrets::derive(&["0123456789abcdef"]).expect("the secret is long enough")
}

/// Any JSON of a few levels, with the names that mean something among its members.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "(/[a-z~01]{0,6}){0,4}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("op".to_owned()),
        Just("path".to_owned()),
        Just("from".to_owned()),
        Just("value".to_owned()),
        "[a-z_~/]{0,8}",
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test", "bogus"]);
    let path = "(/(a|b|c|~0|~1|-|0|1|7)){0,4}";
    (op, path, path, document())
        .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}))
}

proptest! {
    #[test]
    fn parameters_that_were_read_are_written_and_read_as_they_were(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(params) = Params::parse(&bytes) {
            prop_assert_eq!(Params::parse(params.encode().as_bytes()), Ok(params.clone()));
            // What can be read whole is certain, but for what may repeat.
            let certain = Params::certain(&bytes, &[]).unwrap_or_default();
            for (name, value) in params.pairs().iter().filter(|(name, _)| name != "audience" && name != "resource") {
                prop_assert_eq!(certain.get(name).unwrap_or_default(), value);
            }
            prop_assert!(params.pairs().iter().all(|(name, value)| !name.contains('\0') && !value.contains('\0')));
        }
    }

    #[test]
    fn parameters_of_any_text_come_through(value in "[^\0]{0,60}") {
        let written = Params::from_pairs(vec![("state".to_owned(), value.clone())]).encode();
        let read = Params::parse(written.as_bytes()).expect("it was written by this program");
        prop_assert_eq!(read.pairs(), [("state".to_owned(), value)]);
    }

    /// A scope list means the set of its words, and no more than is registered is ever allowed.
    #[test]
    fn scopes_are_words_and_wildcards_allow_no_more_than_they_say(list in "[a-c.* ]{0,30}", pattern in "[a-c.*]{1,9}") {
        let params = Params::from_pairs(vec![("scope".to_owned(), list.clone())]);
        for word in params.scope() {
            prop_assert!(!word.is_empty() && !word.contains(' ') && list.contains(&word));
            let allows = |strategy| scope::allows(strategy, &[&pattern], &word);
            prop_assert_eq!(allows(ScopeStrategy::Exact), pattern == word);
            // The slow way: one part after another, a star for one part and at the end for all that are left.
            let (parts, wanted): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), word.split('.').collect());
            let is_open = parts.last() == Some(&"*");
            let fits = parts.iter().zip(&wanted).all(|(part, word)| if *part == "*" { !word.is_empty() } else { part == word });
            let rest = wanted.iter().skip(parts.len()).all(|word| !word.is_empty());
            let is_long = if is_open { wanted.len() >= parts.len() } else { wanted.len() == parts.len() };
            prop_assert_eq!(allows(ScopeStrategy::Wildcard), fits && rest && is_long, "{} {}", pattern, word);
        }
    }

    /// RFC 9700 §2.1 and RFC 8252 §7.3 by a slow model: equal to the letter, or the same loopback literal with two good ports.
    #[test]
    fn redirect_uris_match_as_a_slow_model_says(
        (host, other_host) in (host(), host()), (port, other_port) in (port(), port()), (rest, other_rest) in (rest(), rest()),
        is_same in any::<bool>(),
    ) {
        let (other_host, other_rest) = if is_same { (host, rest) } else { (other_host, other_rest) };
        let registered = format!("http://{host}{port}{rest}");
        let requested = format!("http://{other_host}{other_port}{other_rest}");
        let is_loopback = ["127.0.0.1", "127.0.0.2", "[::1]"].contains(&host);
        let good_port = |port: &str| ["", ":0", ":80", ":080", ":65535"].contains(&port);
        let good_rest = !rest.contains('#') && (rest.is_empty() || rest.starts_with(['/', '?']));
        let is_model = registered == requested
            || is_loopback && host == other_host && rest == other_rest && good_rest && good_port(port) && good_port(other_port);
        let mut client = DESK.draft("app");
        client.redirect_uris = vec![registered.clone()];
        prop_assert_eq!(is_registered(&client, &requested), is_model, "{} {}", registered, requested);
    }

    #[test]
    fn what_is_registered_is_read_alike_by_everybody(uri in "(https?|javascript|data|com.app)?:?/{0,3}[a-z@:\\\\.\\[\\]0-9/?#% \t]{0,24}") {
        let metadata = Metadata { redirect_uris: vec![uri.clone()], ..Metadata::default() };
        if validate(metadata, &DESK.policy).is_ok_and(|valid| !valid.client.redirect_uris.is_empty()) {
            let url = url::Url::parse(&uri).expect("it is absolute");
            prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{}", uri);
            prop_assert!(!["javascript", "data"].contains(&url.scheme()), "{}", uri);
            prop_assert!(!uri.contains(['\\', ' ', '\t']), "{}", uri);
        }
    }

    #[test]
    fn sealed_values_open_as_they_were_and_changed_ones_not_at_all(plain: Vec<u8>, at: prop::sample::Index, bit in 0..8_u8, noise: Vec<u8>) {
        let secrets = secrets();
        let sealed = seal::seal(&secrets, &Counter::default(), Purpose::LoginChallenge, b"x", &plain);
        prop_assert_eq!(seal::open(&secrets, Purpose::LoginChallenge, b"x", &sealed), Ok(plain));
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= 1 << bit;
        prop_assert!(seal::open(&secrets, Purpose::LoginChallenge, b"x", &changed).is_err());
        prop_assert!(seal::open(&secrets, Purpose::LoginChallenge, b"x", &noise).is_err());
    }

    #[test]
    fn tokens_are_recognized_and_nothing_else_is(id: [u8; 16], noise in ".{0,120}", head in "[A-Za-z0-9_-]{0,40}", tail in "[A-Za-z0-9_-]{48}") {
        let secrets = secrets();
        let fresh = Fresh::generate(&secrets, &Counter::default(), &Prefixes::default(), Kind::Refresh, Id(id));
        let known = Presented::recognize(&secrets, Kind::Refresh, &fresh.text).expect("it is ours");
        prop_assert_eq!((known.id, known.digest), (fresh.id, fresh.digest));
        prop_assert!(Presented::recognize(&secrets, Kind::Refresh, &noise).is_none());
        let forged = format!("{head}.{tail}");
        prop_assert!(Presented::recognize(&secrets, Kind::Refresh, &forged).is_none());
    }

    #[test]
    fn user_codes_are_forgiven_case_and_dashes_and_nothing_else(typed in ".{0,40}") {
        let normal = user_code::normalize(&typed);
        prop_assert!(normal.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()));
        prop_assert_eq!(&user_code::normalize(&normal), &normal);
        let spread: String = normal.chars().flat_map(|c| [c.to_ascii_lowercase(), '-', ' ']).collect();
        prop_assert_eq!(&user_code::normalize(&spread), &normal);
    }

    #[test]
    fn patches_of_any_shape_are_applied_or_refused(whole in document(), operations in prop::collection::vec(operation(), 0..6), mut target in document()) {
        let _ = Patch::parse(whole);
        if let Ok(patch) = Patch::parse(Value::Array(operations)) {
            let before = target.clone();
            if patch.apply(&mut target).is_ok() && !patch.touches(|_| true) {
                prop_assert_eq!(target, before);
            }
        }
    }

    #[test]
    fn metadata_of_any_shape_is_taken_or_refused(document in document()) {
        if let Ok(metadata) = serde_json::from_value::<Metadata>(document) {
            let _ = validate(metadata, &DESK.policy);
        }
    }

    #[test]
    fn trusts_of_any_shape_are_made_or_refused(document in document()) {
        if let Ok(request) = serde_json::from_value::<TrustRequest>(document) {
            let _ = crate::testing::now(trust::create(&DESK.world(), request));
        }
    }
}

fn host() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "127.0.0.1",
        "127.0.0.2",
        "[::1]",
        "localhost",
        "evil.example",
        "127.0.0.1.evil.example",
        "127.1",
        "user@127.0.0.1",
        "",
    ])
}

fn port() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "", ":0", ":80", ":080", ":65535", ":65536", ":99999", ":+80", ":-1", ":", ":8 0", ":80@evil",
    ])
}

fn rest() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "/",
        "/cb",
        "/cb?x",
        "?x",
        "/a/../cb",
        "/cb#x",
        "\\cb",
        "@evil.example/cb",
    ])
}
