//! Durations as the flags take them: `90s`, `24h`, `1h30m`, `1.5h`.

use std::time::Duration;

const UNITS: [(&str, f64); 7] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Reads a sequence of numbers with units. Negative durations make no sense anywhere here.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let unreadable = || format!("{text:?} is not a duration; write numbers with units, for example 90s, 24h or 1h30m");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(unreadable)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let number: f64 = number.parse().map_err(|_| unreadable())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(unreadable)?;
        seconds += number * factor;
        rest = tail;
    }
    if text.is_empty() {
        Err(unreadable())
    } else {
        Duration::try_from_secs_f64(seconds).map_err(|_| unreadable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn a_number_without_a_unit_is_refused() {
        for text in [
            "",
            "x",
            "5",
            "h",
            "5 h",
            "-5s",
            "5d",
            "1..5s",
            "99999999999999999999999h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
