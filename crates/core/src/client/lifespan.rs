//! Lifespans as the admin API writes them: durations in the notation of Go, `1h30m0s`.
//!
//! Read are sums of numbers with units, fractions included; written is one form, with hours, minutes and seconds.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

/// A duration such as `24h`, `1h30m0s` or `90s`, in whole seconds; `null` for the server's own.
#[derive(JsonSchema)]
#[schemars(rename = "NullDuration")]
pub(super) struct Lifespan(#[expect(dead_code, reason = "it stands for the text in schemas")] Option<String>);

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// The longest duration that Go can express, about 292 years.
const LONGEST: u128 = i64::MAX as u128;

/// Nanoseconds of each unit. `ms` stands before `m`, which it begins with.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3600 * NANOS_PER_SECOND),
];

/// Why a text is not a lifespan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LifespanError {
    /// Not a sum of numbers with units.
    #[error("a lifespan is written as numbers with units, for example 90s, 24h or 1h30m")]
    Notation,
    /// Tokens end at whole seconds, and one that lives for none is of no use.
    #[error("a lifespan is one or more whole seconds")]
    NotSeconds,
    /// Longer than Go can express.
    #[error("a lifespan is at most 2562047h")]
    TooLong,
}

/// Seconds of a duration.
///
/// # Errors
/// If the text is no duration, or not one of whole seconds.
pub(super) fn parse(text: &str) -> Result<u64, LifespanError> {
    let mut rest = text;
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(LifespanError::Notation);
        }
        let (unit, after) = UNITS
            .iter()
            .find_map(|(name, nanos)| after.strip_prefix(name).map(|after| (*nanos, after)))
            .ok_or(LifespanError::Notation)?;
        nanos = nanos
            .checked_add(scaled(whole, fraction, unit).ok_or(LifespanError::TooLong)?)
            .filter(|nanos| *nanos <= LONGEST)
            .ok_or(LifespanError::TooLong)?;
        rest = after;
    }
    if text.is_empty() {
        return Err(LifespanError::Notation);
    }
    match nanos / NANOS_PER_SECOND {
        seconds if seconds > 0 && nanos.is_multiple_of(NANOS_PER_SECOND) => {
            u64::try_from(seconds).map_err(|_| LifespanError::TooLong)
        }
        _ => Err(LifespanError::NotSeconds),
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// `whole.fraction` units in nanoseconds; what is less than one of them is dropped. None if the number is too long.
fn scaled(whole: &str, fraction: &str, unit: u128) -> Option<u128> {
    let number = |digits: &str| match digits {
        "" => Some(0),
        digits => digits.parse::<u128>().ok(),
    };
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = number(fraction)?.checked_mul(unit)? / scale;
    number(whole)?.checked_mul(unit)?.checked_add(part)
}

/// The one way in which a lifespan is written.
#[must_use]
pub(super) fn format(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

/// A member of the client's metadata: a duration, or `null` for the server's own.
pub(super) fn serialize<S: Serializer>(seconds: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match seconds {
        Some(seconds) => serializer.serialize_str(&format(*seconds)),
        None => serializer.serialize_none(),
    }
}

/// An empty text is taken for `null`, as everywhere in the metadata.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => parse(text).map(Some).map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        for (text, seconds) in [
            ("90s", 90),
            ("90m", 5400),
            ("1h30m", 5400),
            ("1.5h", 5400),
            (".5m", 30),
            ("1000ms", 1),
            ("500000\u{b5}s500ms", 1),
            ("36h0m0s", 129_600),
            ("2562047h", 9_223_369_200),
        ] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", "x", "5", "h", ".h", "5 h", " 5h", "-5s", "+5s", "5d", "1..5s", "1e3s", "5H",
        ] {
            assert_eq!(parse(text), Err(LifespanError::Notation), "{text}");
        }
        for text in ["0s", "0h0m0s", "999ms", "1.5s"] {
            assert_eq!(parse(text), Err(LifespanError::NotSeconds), "{text}");
        }
        let long = format!("{}h", "9".repeat(60));
        let precise = format!("1.{}h", "9".repeat(60));
        for text in ["2562048h", "2562047h2562047h", &long, &precise] {
            assert_eq!(parse(text), Err(LifespanError::TooLong), "{text}");
        }
    }

    #[test]
    fn the_form_is_that_of_go() {
        for (seconds, text) in [
            (5, "5s"),
            (60, "1m0s"),
            (5400, "1h30m0s"),
            (3600, "1h0m0s"),
            (129_600, "36h0m0s"),
        ] {
            assert_eq!(format(seconds), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(seconds in 1..9_223_372_036_u64) {
            prop_assert_eq!(parse(&format(seconds)), Ok(seconds));
        }
    }
}
