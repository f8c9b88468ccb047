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

    proptest::proptest! {
        /// Whole parts are read as the configuration reads them, to the microsecond.
        #[test]
        fn whole_parts_are_read_as_in_the_configuration(parts in proptest::collection::vec((0..10_000_u32, 0..6_usize), 1..5), noise in "[0-9nmush.+-]{0,12}|.{0,12}") {
            let units = ["ns", "us", "ms", "s", "m", "h"];
            let text: String = parts.iter().map(|(number, unit)| format!("{number}{}", units[*unit])).collect();
            let exact = crate::config::duration::parse(&text).expect("it is in the form of both");
            let read = parse(&text).expect("it is in the form of both");
            proptest::prop_assert!(read.abs_diff(exact) < Duration::from_micros(1), "{text}: {read:?}");
            if let Ok(read) = parse(&noise) {
                let again = parse(&format!("{noise}0s"));
                proptest::prop_assert!(noise == "0" || again == Ok(read), "{}", noise);
            }
        }
    }
}
