//! Request parameters, read strictly.
//!
//! Implements RFC 6749 §3.1, §3.2 and appendix B: `application/x-www-form-urlencoded` in UTF-8; parameters without a
//! value count as omitted; parameters must not be repeated, except those that their specification lets repeat
//! (`resource`, RFC 8707 §2; `audience`, RFC 8693 §2.1).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// Parameters that may be sent more than once.
const REPEATABLE: [&str; 2] = ["audience", "resource"];

/// Most parameters that a request may have.
const MOST: usize = 200;

/// Why a query or form could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// RFC 6749 §3.1.
    #[error("The parameter '{0}' was sent more than once.")]
    Repeated(String),
    /// RFC 6749 appendix B.
    #[error("The parameters are not valid percent-encoded UTF-8.")]
    Encoding,
    /// The databases cannot store it, and no parameter needs it.
    #[error("The parameters contain a NUL character.")]
    Nul,
    /// Far beyond every specified request.
    #[error("There are more than {MOST} parameters.")]
    TooMany,
}

/// The parameters of one request, in the order in which they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string or form body.
    ///
    /// # Errors
    /// If a parameter is repeated, the encoding is broken, or there are far too many.
    pub fn parse(encoded: &[u8]) -> Result<Self, ParamsError> {
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in halves(encoded) {
            let (name, value) = (decode(name)?, decode(value)?);
            if params.len() >= MOST {
                return Err(ParamsError::TooMany);
            }
            if !REPEATABLE.contains(&name.as_str()) && params.iter().any(|(earlier, _)| *earlier == name) {
                return Err(ParamsError::Repeated(name));
            }
            params.push((name, value));
        }
        Ok(Self(params))
    }

    /// What is certain of a query or form that [`Self::parse`] refuses: parameters that were sent once and can be read. None
    /// if one of those named was sent and is not certain, or if there are far too many.
    #[must_use]
    pub fn certain(encoded: &[u8], named: &[&str]) -> Option<Self> {
        let mut sent: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (at, (name, value)) in halves(encoded).enumerate() {
            if at >= MOST {
                return None;
            }
            if let Ok(name) = decode(name) {
                let value = decode(value).ok();
                sent.entry(name).and_modify(|first| *first = None).or_insert(value);
            }
        }
        if named.iter().any(|name| sent.get(*name) == Some(&None)) {
            return None;
        }
        let certain = sent.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Some(Self(certain.collect()))
    }

    /// Parameters made by the program itself.
    #[must_use]
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The value of a parameter. "Parameters sent without a value MUST be treated as if they were omitted" (§3.1).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Every non-empty value of a parameter that may repeat.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(other, value)| other == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// `scope`, split, each once (RFC 6749 §3.3).
    #[must_use]
    pub fn scope(&self) -> Vec<String> {
        distinct(words(self.get("scope").unwrap_or_default()))
    }

    /// `audience` and `resource`, each once. One value of `audience` is a list split on spaces, as clients of Hydra send it;
    /// several are taken as they are.
    #[must_use]
    pub fn audience(&self) -> Vec<String> {
        let mut values = self.all("audience");
        let resources = self.all("resource");
        match (values.next(), values.next()) {
            (Some(list), None) => distinct(words(list).chain(resources)),
            _ => distinct(self.all("audience").chain(resources)),
        }
    }

    /// Whether the parameter was sent at all, with a value or without.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// Whether nothing was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All pairs in order.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Takes out those named.
    pub fn remove(&mut self, names: &[&str]) {
        self.0.retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// The same parameters without those named.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let mut others = self.clone();
        others.remove(names);
        others
    }

    /// About how many bytes the parameters have.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len() + 2).sum()
    }

    /// Writes the parameters as a query string or form body.
    #[must_use]
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }
}

/// The names and values of a query or form, as they were sent.
fn halves(encoded: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let pairs = encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
    })
}

/// Splits a space-delimited list (RFC 6749 §3.3) and drops empty items.
pub fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(' ').filter(|word| !word.is_empty())
}

pub(crate) fn distinct<'a>(items: impl Iterator<Item = &'a str>) -> Vec<String> {
    // A stranger chooses how many there are.
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(*item)).map(str::to_owned).collect()
}

/// Decodes one form-encoded name or value.
pub(crate) fn decode(text: &[u8]) -> Result<String, ParamsError> {
    let spaced: Cow<'_, [u8]> = if text.contains(&b'+') {
        Cow::Owned(
            text.iter()
                .map(|byte| if *byte == b'+' { b' ' } else { *byte })
                .collect(),
        )
    } else {
        Cow::Borrowed(text)
    };
    if !percent_signs_are_whole(&spaced) {
        return Err(ParamsError::Encoding);
    }
    let decoded: Cow<'_, [u8]> = percent_encoding::percent_decode(&spaced).into();
    let text = String::from_utf8(decoded.into_owned()).map_err(|_| ParamsError::Encoding)?;
    if text.contains('\0') {
        Err(ParamsError::Nul)
    } else {
        Ok(text)
    }
}

fn percent_signs_are_whole(text: &[u8]) -> bool {
    let is_hex = |at: usize| text.get(at).is_some_and(u8::is_ascii_hexdigit);
    text.iter()
        .enumerate()
        .all(|(at, byte)| *byte != b'%' || (is_hex(at + 1) && is_hex(at + 2)))
}

#[cfg(test)]
mod rfc6749_3_1 {
    use super::*;

    #[test]
    fn a_repeated_parameter_is_refused_by_name() {
        assert_eq!(
            Params::parse(b"state=a&state=b"),
            Err(ParamsError::Repeated("state".into()))
        );
    }

    #[test]
    fn audience_and_resource_may_repeat() {
        let params = Params::parse(b"audience=a&audience=b&resource=c").expect("a valid query");
        assert_eq!(params.all("audience").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_parameter_without_a_value_counts_as_omitted() {
        let params = Params::parse(b"prompt=&scope").expect("a valid query");
        assert_eq!((params.get("prompt"), params.get("scope")), (None, None));
        assert!(params.has("prompt"));
    }

    #[test]
    fn plus_and_percent_are_decoded_and_written_back() {
        let params = Params::parse(b"scope=openid+offline&x=%C3%A4%26").expect("a valid query");
        assert_eq!(params.get("scope"), Some("openid offline"));
        assert_eq!(params.get("x"), Some("\u{e4}&"));
        assert_eq!(params.encode(), "scope=openid+offline&x=%C3%A4%26");
    }

    #[test]
    fn broken_encodings_are_refused() {
        for broken in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"a=\xff"] {
            assert_eq!(Params::parse(broken), Err(ParamsError::Encoding), "{broken:?}");
        }
        assert_eq!(Params::parse(b"a=%00"), Err(ParamsError::Nul));
    }

    #[test]
    fn of_a_request_that_is_refused_what_was_sent_once_and_readably_is_certain() {
        let certain = Params::certain(b"a=1&b=%zz&c=1&c=1&d&%zz=1&e=%00", &["a", "d", "x"]).expect("they are certain");
        assert_eq!(
            certain,
            Params(vec![("a".into(), "1".into()), ("d".into(), String::new())])
        );
        for doubtful in ["b", "c", "e"] {
            assert_eq!(
                Params::certain(b"a=1&b=%zz&c=1&c=1&e=%00", &[doubtful]),
                None,
                "{doubtful}"
            );
        }
    }

    #[test]
    fn a_flood_of_parameters_is_refused() {
        let many: String = (0..=MOST).map(|n| format!("p{n}=1&")).collect();
        assert_eq!(Params::parse(many.as_bytes()), Err(ParamsError::TooMany));
        assert_eq!(Params::certain(many.as_bytes(), &[]), None);
        let as_many_as_may_be: String = (0..MOST).map(|n| format!("p{n}=1&")).collect();
        assert!(Params::certain(as_many_as_may_be.as_bytes(), &[]).is_some());
    }
}
