//! What a setting may hold: one rule per kind of value, for files (typed values) and for the environment (text).

use std::net::IpAddr;

use claviger_core::secrets::SHORTEST_SECRET;
use serde_json::{Map, Value};
use url::Url;

use super::dsn::Dsn;
use super::duration;
use super::secret::MASK;
use super::tls::Networks;

/// What a setting may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number between two bounds, both included.
    Int(i64, i64),
    /// A number from 0 to 1.
    Ratio,
    /// Any text.
    Text,
    /// Text that is never shown.
    Secret,
    /// A list of secrets of at least [`SHORTEST_SECRET`] bytes each, never shown.
    Secrets,
    /// A database address, shown without its password.
    Dsn,
    /// Where a listener binds: a host name, an IP address, `unix:/path`, or nothing for every interface.
    Host,
    /// An absolute URL with `http` or `https`.
    Url,
    /// An absolute URL with `http` or `https`, or a path on our own host.
    Page,
    /// A duration such as `1h30m`.
    Duration,
    /// A duration, or -1 for no limit.
    DurationOrNever,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of networks in CIDR notation, or of addresses.
    Networks,
    /// A list of these words.
    SomeOf(&'static [&'static str]),
    /// What stands before a token: letters, digits, `_` and `-`, at most 32 of them.
    Prefix,
    /// The name of a cookie: a token of RFC 9110 §5.6.2.
    CookieName,
    /// An attribute of a cookie: visible ASCII without `;` (RFC 6265 §4.1.1).
    CookieAttribute,
    /// A URL, or an object with `url` and `auth`; shown without credentials.
    Hook,
    /// An object of texts, shown without them.
    Headers,
}

impl Kind {
    /// What to write, for people.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Int(min, i64::MAX) => format!("a whole number, at least {min}"),
            Self::Int(min, max) => format!("a whole number from {min} to {max}"),
            Self::Ratio => "a number from 0 to 1".into(),
            Self::Text | Self::Secret => "text".into(),
            Self::Secrets => format!("a list of texts of at least {SHORTEST_SECRET} bytes each"),
            Self::Dsn => "a database URL".into(),
            Self::Host => "a host name, an IP address or unix:/path".into(),
            Self::Url => "an absolute http or https URL".into(),
            Self::Page => "an absolute http or https URL, or a path that begins with /".into(),
            Self::Duration => "a duration such as 30s, 10m or 1h30m".into(),
            Self::DurationOrNever => "a duration such as 720h, or -1 for no limit".into(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Texts => "a list of texts".into(),
            Self::Networks => "a list of networks such as 10.0.0.0/8".into(),
            Self::SomeOf(words) => format!("a list of {}", words.join(", ")),
            Self::Prefix => "at most 32 letters, digits, _ and -".into(),
            Self::CookieName => "a cookie name: letters, digits and !#$%&'*+-.^_`|~".into(),
            Self::CookieAttribute => "visible ASCII characters without ;".into(),
            Self::Hook => "an absolute http or https URL, or an object with url and auth".into(),
            Self::Headers => "an object whose values are texts".into(),
        }
    }

    /// Whether the value is kept out of errors, logs and listings.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(
            self,
            Self::Secret | Self::Secrets | Self::Dsn | Self::Hook | Self::Headers
        )
    }

    /// Judges a value of a configuration file.
    ///
    /// # Errors
    /// The reason why the value cannot be used, as the end of a sentence that begins with the key.
    pub fn check(self, value: &Value) -> Result<(), String> {
        let fits = match self {
            Self::Bool => value.is_boolean(),
            Self::Int(min, max) => value.as_i64().is_some_and(|number| (min..=max).contains(&number)),
            Self::Ratio => value.as_f64().is_some_and(|number| (0.0..=1.0).contains(&number)),
            Self::Text | Self::Secret => value.is_string(),
            Self::Secrets => return check_secrets(value),
            Self::Dsn => return check_dsn(value),
            Self::Host => value.as_str().is_some_and(is_host),
            Self::Url => value.as_str().is_some_and(is_url),
            Self::Page => value.as_str().is_some_and(|text| is_path(text) || is_url(text)),
            Self::Duration => value.as_str().is_some_and(is_duration),
            Self::DurationOrNever => value.as_i64() == Some(-1) || value.as_str().is_some_and(is_duration_or_never),
            Self::OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
            Self::Texts => texts(value).is_some(),
            Self::Networks => texts(value).and_then(Networks::parse).is_some(),
            Self::SomeOf(words) => texts(value).is_some_and(|list| list.iter().all(|text| words.contains(text))),
            Self::Prefix => value.as_str().is_some_and(is_prefix),
            Self::CookieName => value.as_str().is_some_and(is_token),
            Self::CookieAttribute => value.as_str().is_some_and(is_cookie_attribute),
            Self::Hook => value.as_str().is_some_and(is_url) || value.as_object().is_some_and(is_hook),
            Self::Headers => value
                .as_object()
                .is_some_and(|object| object.values().all(Value::is_string)),
        };
        if fits { Ok(()) } else { Err(self.complaint(value)) }
    }

    /// Reads the text of an environment variable or of a default.
    ///
    /// # Errors
    /// The reason why the text cannot be used, as the end of a sentence that begins with the key.
    pub fn read(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Bool => text.parse().map(Value::Bool).ok(),
            Self::Int(..) => text.parse().map(|number: i64| Value::from(number)).ok(),
            Self::Ratio => text
                .parse()
                .ok()
                .and_then(|n| serde_json::Number::from_f64(n).map(Value::Number)),
            // A list without an entry would open what a secret closes.
            Self::Secrets => read_list(text).filter(|list| list.as_array().is_none_or(|list| !list.is_empty())),
            Self::Texts | Self::Networks | Self::SomeOf(_) => read_list(text),
            Self::Hook if text.starts_with('{') => serde_json::from_str(text).ok(),
            Self::Headers => serde_json::from_str(text).ok(),
            _ => Some(Value::from(text)),
        };
        let value = value.ok_or_else(|| self.complaint(&Value::from(text)))?;
        self.check(&value).map(|()| value)
    }

    /// The value as it may be shown: secrets replaced.
    #[must_use]
    pub fn shown(self, value: &Value) -> Value {
        match (self, value) {
            (Self::Dsn, Value::String(text)) => {
                Value::from(Dsn::parse(text).map_or(MASK.into(), |dsn| dsn.to_string()))
            }
            (Self::Secrets, Value::Array(list)) => list.iter().map(|_| Value::from(MASK)).collect(),
            (Self::Headers, Value::Object(object)) => {
                Value::Object(object.keys().map(|name| (name.clone(), MASK.into())).collect())
            }
            (Self::Hook, Value::Object(object)) => {
                let url = object.get("url").cloned().unwrap_or_default();
                Value::Object(Map::from_iter([
                    ("url".to_owned(), url),
                    ("auth".to_owned(), MASK.into()),
                ]))
            }
            (Self::Hook, Value::String(_)) => value.clone(),
            _ if self.is_secret() => MASK.into(),
            _ => value.clone(),
        }
    }

    fn complaint(self, value: &Value) -> String {
        let expected = self.expected();
        if self.is_secret() {
            return format!("must be {expected}");
        }
        let quotes = matches!(self, Self::Text | Self::Duration) && (value.is_number() || value.is_boolean());
        let hint = if quotes { ", in quotes" } else { "" };
        format!("must be {expected}{hint}, not {}", abridged(value))
    }
}

/// A value in one short line.
fn abridged(value: &Value) -> String {
    let text = match value {
        Value::Null => return "empty".into(),
        Value::Object(_) => return "an object".into(),
        other => other.to_string(),
    };
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

/// A JSON array, or texts between commas without the blanks around them.
fn read_list(text: &str) -> Option<Value> {
    if text.starts_with('[') {
        return serde_json::from_str(text).ok();
    }
    Some(
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .collect(),
    )
}

fn check_secrets(value: &Value) -> Result<(), String> {
    let list = texts(value).ok_or_else(|| Kind::Secrets.complaint(value))?;
    match list.iter().position(|secret| secret.len() < SHORTEST_SECRET) {
        Some(index) => Err(format!(
            "has {} bytes in its entry {}, and every entry needs at least {SHORTEST_SECRET}; generate one with: openssl rand -hex 16",
            list.get(index).map_or(0, |secret| secret.len()),
            index + 1
        )),
        None => Ok(()),
    }
}

fn check_dsn(value: &Value) -> Result<(), String> {
    let text = value.as_str().ok_or_else(|| Kind::Dsn.complaint(value))?;
    Dsn::parse(text).map(|_| ()).map_err(|error| error.to_string())
}

fn is_host(text: &str) -> bool {
    if let Some(path) = text.strip_prefix("unix:") {
        return path.starts_with('/');
    }
    let literal = text.trim_start_matches('[').trim_end_matches(']');
    let named = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    text.is_empty() || literal.parse::<IpAddr>().is_ok() || text.chars().all(named)
}

fn is_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A path on our own host; `//` would name another one.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && !text.contains('\\')
}

fn is_duration(text: &str) -> bool {
    duration::parse(text).is_some()
}

fn is_duration_or_never(text: &str) -> bool {
    text == "-1" || is_duration(text)
}

fn is_prefix(text: &str) -> bool {
    text.len() <= 32
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_cookie_attribute(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && b != b';')
}

fn is_hook(object: &Map<String, Value>) -> bool {
    let known = object.keys().all(|name| name == "url" || name == "auth");
    let auth = object.get("auth").is_none_or(is_hook_auth);
    known && auth && object.get("url").and_then(Value::as_str).is_some_and(is_url)
}

/// `{"type": "api_key", "config": {"in": "header" or "cookie", "name": …, "value": …}}`.
fn is_hook_auth(auth: &Value) -> bool {
    let text = |name: &str| auth.pointer(name).and_then(Value::as_str).unwrap_or_default();
    auth.is_null()
        || text("/type") == "api_key"
            && matches!(text("/config/in"), "header" | "cookie")
            && is_token(text("/config/name"))
            && is_cookie_attribute(text("/config/value"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_out_of_range_is_refused_with_the_range() {
        let port = Kind::Int(1, 65535);
        assert_eq!(
            port.check(&json!(0)),
            Err("must be a whole number from 1 to 65535, not 0".into())
        );
        assert!(port.check(&json!(65536)).is_err() && port.check(&json!(65535)).is_ok());
    }

    #[test]
    fn text_from_the_environment_becomes_the_type_of_the_key_or_an_error() {
        assert_eq!(Kind::Int(1, 9).read("4"), Ok(json!(4)));
        assert_eq!(
            Kind::Int(1, 9).read("abc"),
            Err("must be a whole number from 1 to 9, not \"abc\"".into())
        );
        assert_eq!(Kind::Bool.read("true"), Ok(json!(true)));
        assert!(Kind::Bool.read("yes").is_err());
        assert_eq!(Kind::Ratio.read("0.5"), Ok(json!(0.5)));
        assert!(Kind::Ratio.read("NaN").is_err() && Kind::Ratio.read("2").is_err());
    }

    #[test]
    fn lists_are_written_with_commas_or_as_json() {
        assert_eq!(Kind::Texts.read(" a, b ,,c "), Ok(json!(["a", "b", "c"])));
        assert_eq!(Kind::Texts.read(r#"["a,b", "c"]"#), Ok(json!(["a,b", "c"])));
        assert!(Kind::Texts.read("[a").is_err());
        assert!(Kind::SomeOf(&["public", "pairwise"]).read("public,private").is_err());
    }

    #[test]
    fn a_short_secret_is_refused_without_showing_it() {
        let error = Kind::Secrets.read("aaaaaaaaaaaaaaaa,short").unwrap_err();
        assert!(
            error.contains("5 bytes in its entry 2") && !error.contains("short"),
            "{error}"
        );
        assert_eq!(
            Kind::Secrets.check(&json!([1])),
            Err("must be a list of texts of at least 16 bytes each".into())
        );
    }

    #[test]
    fn durations_are_texts_except_for_no_limit() {
        assert!(Kind::Duration.check(&json!(30)).unwrap_err().contains("in quotes"));
        assert!(Kind::Duration.check(&json!("-1")).is_err());
        for never in [json!(-1), json!("-1")] {
            assert_eq!(Kind::DurationOrNever.check(&never), Ok(()));
        }
    }

    #[test]
    fn hosts_are_names_addresses_or_sockets() {
        for host in [
            "",
            "localhost",
            "127.0.0.1",
            "::1",
            "[::1]",
            "a-b.example",
            "unix:/run/c.sock",
        ] {
            assert_eq!(Kind::Host.check(&json!(host)), Ok(()), "{host}");
        }
        for host in ["unix:relative", "http://a", "a b", "127.0.0.1:80", "[::1]:80"] {
            assert!(Kind::Host.check(&json!(host)).is_err(), "{host}");
        }
    }

    #[test]
    fn urls_are_absolute_and_pages_may_be_paths_of_this_host() {
        assert_eq!(Kind::Url.check(&json!("https://a.example/x")), Ok(()));
        for url in ["/login", "ftp://a", "a.example", "https://"] {
            assert!(Kind::Url.check(&json!(url)).is_err(), "{url}");
        }
        assert_eq!(Kind::Page.check(&json!("/login")), Ok(()));
        for page in ["//evil.example", "/\\evil.example", "javascript:alert(1)"] {
            assert!(Kind::Page.check(&json!(page)).is_err(), "{page}");
        }
    }

    #[test]
    fn hooks_are_urls_or_objects_and_hide_their_credentials() {
        let hook = json!({"url": "https://a/h", "auth": {"type": "api_key", "config": {"in": "header", "name": "X-Key", "value": "hidden"}}});
        assert_eq!(Kind::Hook.read(&hook.to_string()), Ok(hook.clone()));
        assert_eq!(Kind::Hook.read("https://a/h"), Ok(json!("https://a/h")));
        assert!(Kind::Hook.check(&json!({"uri": "https://a/h"})).is_err());
        assert_eq!(Kind::Hook.shown(&hook), json!({"url": "https://a/h", "auth": MASK}));
    }

    #[test]
    fn a_long_value_is_cut_in_errors() {
        let error = Kind::OneOf(&["a"]).check(&json!("ä".repeat(500))).unwrap_err();
        assert!(error.len() < 200 && error.ends_with("..."), "{error}");
    }
}
