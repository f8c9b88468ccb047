//! Scopes and audiences: what a client asks for, compared with what it is registered for.
//!
//! Implements RFC 6749 §3.3 (`scope-token`) and the scope strategies that clients of Hydra are registered under.

use url::Url;

use crate::context::ScopeStrategy;

/// Whether `text` is a `scope-token` of RFC 6749 appendix A.4: `1*( %x21 / %x23-5B / %x5D-7E )`.
#[must_use]
pub fn is_scope_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Whether one of the `registered` scopes allows `requested`.
pub fn allows<S: AsRef<str>>(strategy: ScopeStrategy, registered: &[S], requested: &str) -> bool {
    registered
        .iter()
        .any(|pattern| matches(strategy, pattern.as_ref(), requested))
}

fn matches(strategy: ScopeStrategy, pattern: &str, requested: &str) -> bool {
    match strategy {
        ScopeStrategy::Exact => pattern == requested,
        ScopeStrategy::Hierarchic => {
            pattern == requested
                || requested
                    .strip_prefix(pattern)
                    .is_some_and(|rest| rest.starts_with('.'))
        }
        ScopeStrategy::Wildcard => wildcard(pattern, requested),
    }
}

/// `*` stands for one non-empty segment between dots; at the end for one or more.
fn wildcard(pattern: &str, requested: &str) -> bool {
    let mut wanted = requested.split('.');
    let mut parts = pattern.split('.').peekable();
    while let Some(part) = parts.next() {
        let Some(segment) = wanted.next() else { return false };
        let fits = if part == "*" {
            !segment.is_empty()
        } else {
            part == segment
        };
        if !fits {
            return false;
        }
        if part == "*" && parts.peek().is_none() {
            return wanted.all(|segment| !segment.is_empty());
        }
    }
    wanted.next().is_none()
}

/// Whether a registered `audience` entry allows the requested one: the same text, or a URL with the same scheme and
/// host whose path is equal or lies below at a `/` boundary.
#[must_use]
pub fn audience_allows(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    let (Ok(registered), Ok(requested)) = (Url::parse(registered), Url::parse(requested)) else {
        return false;
    };
    let origin = |url: &Url| {
        (
            url.scheme().to_owned(),
            url.host_str().map(str::to_owned),
            url.port_or_known_default(),
        )
    };
    if origin(&registered) != origin(&requested) || registered.host().is_none() {
        return false;
    }
    let base = registered.path().trim_end_matches('/');
    requested.path().trim_end_matches('/') == base
        || requested
            .path()
            .strip_prefix(base)
            .is_some_and(|below| below.starts_with('/'))
}

#[cfg(test)]
mod rfc6749_3_3 {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_segments_and_never_for_nothing() {
        let allows = |pattern, requested| allows(ScopeStrategy::Wildcard, &[pattern], requested);
        assert!(allows("foo.*", "foo.bar") && allows("foo.*", "foo.bar.baz") && allows("*", "openid"));
        assert!(allows("foo.*.baz", "foo.bar.baz") && allows("foo", "foo"));
        assert!(!allows("foo.*", "foo") && !allows("foo.*", "foo.") && !allows("foo.*.baz", "foo.bar.x.baz"));
        assert!(!allows("foo", "foo.bar") && !allows("foo.bar", "foo"));
    }

    #[test]
    fn the_other_strategies_match_as_named() {
        assert!(allows(ScopeStrategy::Exact, &["a", "b"], "b") && !allows(ScopeStrategy::Exact, &["a.*"], "a.b"));
        assert!(
            allows(ScopeStrategy::Hierarchic, &["foo"], "foo.bar")
                && !allows(ScopeStrategy::Hierarchic, &["foo"], "food")
        );
    }

    #[test]
    fn only_scope_tokens_are_scopes() {
        assert!(is_scope_token("offline_access") && is_scope_token("https://a.example/read"));
        assert!(!is_scope_token("") && !is_scope_token("a b") && !is_scope_token("a\"b") && !is_scope_token("ä"));
    }

    #[test]
    fn an_audience_is_the_same_text_or_a_url_below() {
        assert!(audience_allows("api-1", "api-1") && !audience_allows("api-1", "api-10"));
        assert!(audience_allows("https://a.example/api", "https://a.example/api/v1"));
        assert!(!audience_allows("https://a.example/api", "https://a.example/apix"));
        assert!(!audience_allows("https://a.example", "https://b.example"));
        assert!(!audience_allows("https://a.example:8443", "https://a.example"));
    }
}
