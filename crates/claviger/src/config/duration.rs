//! Durations as configuration files write them: `1h30m`, `720h`, `500ms`.

use std::time::Duration;

/// Reads `^(\d+(ns|us|ms|s|m|h))+$`; none if the text has another form or is longer than 500 years.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let (unit, tail) = take_unit(tail)?;
        nanos = nanos.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::from_nanos(nanos))
}

/// Nanoseconds of the unit in front, and what follows it. `ms` stands before `m`, because one begins with the other.
fn take_unit(text: &str) -> Option<(u64, &str)> {
    const UNITS: [(&str, u64); 6] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60 * 1_000_000_000),
        ("h", 3_600 * 1_000_000_000),
    ];
    UNITS
        .iter()
        .find_map(|(name, nanos)| text.strip_prefix(name).map(|tail| (*nanos, tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_counts() {
        assert_eq!(parse("1ns"), Some(Duration::from_nanos(1)));
        assert_eq!(parse("2us"), Some(Duration::from_micros(2)));
        assert_eq!(parse("3ms"), Some(Duration::from_millis(3)));
        assert_eq!(parse("4s"), Some(Duration::from_secs(4)));
        assert_eq!(parse("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse("720h"), Some(Duration::from_secs(720 * 3600)));
    }

    #[test]
    fn several_units_add_up() {
        assert_eq!(parse("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse("1m1ms"), Some(Duration::from_millis(60_001)));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "", "1", "h", "1day", "1d", "-1", "-1h", "1.5h", "1h ", " 1h", "1 h", "1H", "h1",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_too_large_is_refused() {
        assert_eq!(parse("99999999999999999999h"), None);
        assert_eq!(parse("18446744073709551615h"), None);
        assert_eq!(parse("18446744073709551615ns1ns"), None);
    }

    proptest::proptest! {
        #[test]
        fn parts_add_up_and_no_other_form_is_read(parts in proptest::collection::vec((0..10_000_u64, 0..6_usize), 1..5), noise in "[0-9nmush .+-]{0,12}|.{0,12}") {
            let units = [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];
            let text: String = parts.iter().map(|(number, unit)| format!("{number}{}", units[*unit].0)).collect();
            let whole: u64 = parts.iter().map(|(number, unit)| number * units[*unit].1).sum();
            proptest::prop_assert_eq!(parse(&text), Some(Duration::from_nanos(whole)));
            // What is left of a text when every number is taken out is a row of units.
            let words: Vec<&str> = noise.split(|c: char| c.is_ascii_digit()).filter(|word| !word.is_empty()).collect();
            let is_form = noise.starts_with(|c: char| c.is_ascii_digit())
                && noise.ends_with(|c: char| !c.is_ascii_digit())
                && words.iter().all(|word| units.iter().any(|(unit, _)| unit == word));
            proptest::prop_assert_eq!(parse(&noise).is_some(), is_form, "{}", noise);
        }
    }
}
