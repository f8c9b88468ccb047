//! Answers where no handler had a part in: there is nothing at the address, or it does not take the method.
//!
//! Implements RFC 9110 §12.5.1 (`Accept`) between a page, JSON and a line of text.

use axum::response::Response;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ADMIN_ERROR_JSON, TEXT, json, with_type};
use crate::edge::request_id::RequestId;
use crate::pages;

/// What answers a path that does not exist, or a method that a path does not have, depends on who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edge) enum Audience {
    /// Browsers come to the public port.
    People,
    /// Programs come to the admin port.
    Programs,
}

/// 404 or 405, in the format that the client accepts. The `Allow` header of a 405 is added by the router.
pub(in crate::edge) fn routing_miss(
    status: StatusCode,
    audience: Audience,
    headers: &HeaderMap,
    id: RequestId,
) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let reason = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            "This address does not take the method; the header Allow names those it takes."
        }
        _ => "There is nothing at this address. Check the path, and whether it belongs to the other port.",
    };
    let code = status.as_u16();
    match preferred(headers, audience) {
        Format::Html => pages::notice(status, title, reason, id),
        Format::Json => {
            let detail = Detail {
                code,
                status: title,
                message: title,
                reason,
            };
            json(status, ADMIN_ERROR_JSON, &Nested { error: detail }, b"\n")
        }
        Format::Text => with_type(status, TEXT, format!("{code} {title}: {reason}\n").into()),
    }
}

/// The shape of errors that no handler had a part in. Only here does Hydra, and so do we, nest the error.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "genericError")]
pub(crate) struct Nested {
    /// The error.
    error: Detail,
}

/// What there is to say about it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "genericErrorContent")]
struct Detail {
    /// The status.
    code: u16,
    /// The name of the status.
    status: &'static str,
    /// The same.
    message: &'static str,
    /// What happened and what to do.
    reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Json,
    Text,
}

/// The formats by their media types.
const FORMATS: [(&str, Format); 3] = [
    ("text/html", Format::Html),
    ("application/json", Format::Json),
    ("text/plain", Format::Text),
];

/// What the client likes best, and the first of what it likes alike (RFC 9110 §12.5.1). Where several are meant by one range,
/// or it says nothing, the audience decides.
fn preferred(headers: &HeaderMap, audience: Audience) -> Format {
    let usual = match audience {
        Audience::People => Format::Html,
        Audience::Programs => Format::Json,
    };
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<(&str, f32)> = lines.flat_map(|line| line.split(',')).map(weighed).collect();
    let taken = FORMATS.iter().filter_map(|(name, format)| {
        let meant = ranges.iter().enumerate();
        let meant = meant.filter_map(|(at, (range, weight))| Some((breadth(range, name)?, *weight, at)));
        // "The most specific reference has precedence."
        let (_, weight, at) = meant.min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))?;
        (weight > 0.0).then_some((weight, at, *format))
    });
    let best = taken.min_by(|a, b| {
        let by_order = a.1.cmp(&b.1).then((a.2 != usual).cmp(&(b.2 != usual)));
        b.0.total_cmp(&a.0).then(by_order)
    });
    best.map_or(usual, |(_, _, format)| format)
}

/// How much more than this media type a range means, if it means it.
fn breadth(range: &str, media_type: &str) -> Option<u8> {
    let kind = media_type.split('/').next().unwrap_or_default();
    match range.strip_suffix("/*") {
        Some("*") => Some(2),
        Some(other) => other.eq_ignore_ascii_case(kind).then_some(1),
        None => range.eq_ignore_ascii_case(media_type).then_some(0),
    }
}

/// A media range and its weight (RFC 9110 §12.4.2): 1 where none is said, or none that can be read.
fn weighed(range: &str) -> (&str, f32) {
    let (media_type, parameters) = range.split_once(';').unwrap_or((range, ""));
    let mut named = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let weight = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let weight = weight.and_then(|(_, value)| value.trim().parse().ok());
    let weight = weight.filter(|weight| (0.0..=1.0).contains(weight));
    (media_type.trim(), weight.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn choice(lines: &[&str]) -> [Format; 2] {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        [Audience::People, Audience::Programs].map(|audience| preferred(&headers, audience))
    }

    #[test]
    fn rfc9110_12_5_1_what_is_liked_best_is_answered() {
        for (lines, expected) in [
            (&["application/json;q=0.5, text/html"][..], Format::Html),
            (&["text/html;q=0, application/json;q=0.1"], Format::Json),
            (
                &["TEXT/Plain; charset=utf-8; Q=0.9, application/json;q=0.8"],
                Format::Text,
            ),
            (&["image/png", "application/json"], Format::Json),
            (&["application/json, text/plain, */*"], Format::Json),
            (&["text/html;q=x, application/json"], Format::Html),
            (&["application/*, text/html;q=0.9"], Format::Json),
            (&["Text/*;q=0.5, application/json;q=0.4"], Format::Html),
            (&["text/html;q=0, text/*, application/*;q=0.5"], Format::Text),
            (&["text/html;q=0, */*"], Format::Json),
        ] {
            assert_eq!(choice(lines), [expected; 2], "{lines:?}");
        }
        for lines in [
            &["*/*"][..],
            &[],
            &["text/plain;q=0"],
            &["text/plain;q=0.5, */*"],
            &["*/*;q=0"],
        ] {
            assert_eq!(choice(lines), [Format::Html, Format::Json], "{lines:?}");
        }
    }

    proptest! {
        /// A slow model: of all that is taken, the heaviest, and the first of those.
        #[test]
        fn any_list_is_read_as_a_slow_model_says(
            ranges in prop::collection::vec((0..5_usize, 0..=1000_u32, any::<bool>(), "[a-z]{0,3}"), 0..6), is_split: bool,
        ) {
            let names = ["text/html", "application/json", "text/plain", "image/png", "text/*"];
            let formats = [Format::Html, Format::Json, Format::Text];
            let texts: Vec<String> = ranges.iter().map(|(which, weight, is_loud, more)| {
                let name = if *is_loud { names[*which].to_uppercase() } else { names[*which].to_owned() };
                format!(" {name} ;x={more}; q={}.{:03}", weight / 1000, weight % 1000)
            }).collect();
            // What each format is worth, and where that stands: by its own name or else by `text/*`.
            let worth = |own: usize| {
                let of = |wanted: usize| {
                    let same = ranges.iter().enumerate().filter(|(_, range)| range.0 == wanted);
                    same.map(|(at, range)| (range.1, at)).reduce(|best, next| if next.0 > best.0 { next } else { best })
                };
                of(own).or_else(|| if own == 1 { None } else { of(4) })
            };
            let mut best: Option<(Format, (u32, usize))> = None;
            for (own, format) in formats.iter().enumerate() {
                if let Some((weight, at)) = worth(own).filter(|(weight, _)| *weight > 0)
                    && best.is_none_or(|(_, known)| weight > known.0 || weight == known.0 && at < known.1)
                {
                    best = Some((*format, (weight, at)));
                }
            }
            let whole = texts.join(",");
            let lines: Vec<&str> = if is_split { texts.iter().map(String::as_str).collect() } else { vec![&whole] };
            let expected = best.map_or([Format::Html, Format::Json], |(format, _)| [format; 2]);
            prop_assert_eq!(choice(&lines), expected, "{:?}", lines);
        }

        #[test]
        fn any_header_has_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                preferred(&HeaderMap::from_iter([(ACCEPT, value)]), Audience::People);
            }
        }
    }
}
