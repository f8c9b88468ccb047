//! The setting that somebody probably meant.

use super::keys;

/// The known path or group most like `path`; none if nothing is like it.
pub(super) fn to(path: &str) -> Option<&'static str> {
    let known = keys::all().map(|key| key.path).chain(keys::groups().iter().copied());
    let (distance, nearest) = known
        .map(|known| (distance_between(path, known), known))
        .min_by_key(|(d, _)| *d)?;
    // Two names that share less than half of their letters have nothing to do with each other.
    (distance <= path.chars().count().div_ceil(2)).then_some(nearest)
}

/// Edit distance; a path that lacks only its first parts counts as almost right.
fn distance_between(path: &str, known: &str) -> usize {
    if known.strip_suffix(path).is_some_and(|front| front.ends_with('.')) {
        return 1;
    }
    edits(path, known)
}

/// Fewest insertions, deletions and replacements that make `from` into `to` (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, b) in row.iter_mut().zip(std::iter::once(None).chain(to.chars().map(Some))) {
            let Some(b) = b else {
                *cell = line + 1;
                continue;
            };
            let best = (diagonal + usize::from(a != b)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }

    #[test]
    fn a_typo_leads_to_the_setting() {
        assert_eq!(to("ttl.access_tokenx"), Some("ttl.access_token"));
        assert_eq!(to("urls.self.isuer"), Some("urls.self.issuer"));
        assert_eq!(to("serv"), Some("serve"));
    }

    #[test]
    fn a_setting_in_the_wrong_place_leads_to_the_right_one() {
        assert_eq!(to("public.port"), Some("serve.public.port"));
        assert_eq!(to("issuer"), Some("urls.self.issuer"));
    }

    #[test]
    fn nonsense_leads_nowhere() {
        assert_eq!(to("zzzzzzzzzzzz"), None);
    }
}
