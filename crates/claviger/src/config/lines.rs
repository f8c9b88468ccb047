//! In which line of a file each setting stands.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Lines by path. What is not known is not there: a line is a help, and its absence no error.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<String, u64>);

impl Lines {
    /// The line of the value at `path`, from 1.
    pub(super) fn of(&self, path: &str) -> Option<u64> {
        self.0.get(path).copied()
    }

    fn note(&mut self, path: &str, name: &str, line: u64) -> String {
        let path = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        self.0.insert(path.clone(), line);
        path
    }
}

/// The lines of a YAML file.
pub(super) fn of_yaml(text: &str) -> Lines {
    let mut lines = Lines::default();
    if let Ok(Yaml(root)) = serde_saphyr::from_str(text) {
        walk_yaml("", &root.value, &mut lines);
    }
    lines
}

fn walk_yaml(path: &str, members: &Members<Yaml>, lines: &mut Lines) {
    for (name, Yaml(member)) in &members.0 {
        let path = lines.note(path, name, member.referenced.line());
        walk_yaml(&path, &member.value, lines);
    }
}

/// The lines of a TOML file.
pub(super) fn of_toml(text: &str) -> Lines {
    let mut lines = Lines::default();
    if let Ok(root) = toml::from_str(text) {
        walk_toml("", &root, text, &mut lines);
    }
    lines
}

fn walk_toml(path: &str, members: &Members<Toml>, text: &str, lines: &mut Lines) {
    for (name, Toml(member)) in &members.0 {
        let before = text.get(..member.span().start).unwrap_or_default();
        let path = lines.note(path, name, before.matches('\n').count() as u64 + 1);
        walk_toml(&path, member.get_ref(), text, lines);
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Yaml(serde_saphyr::Spanned<Members<Yaml>>);

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Toml(toml::Spanned<Members<Toml>>);

/// A value of which nothing is kept but its members, if it has any: many values are secret.
struct Members<C>(Vec<(String, C)>);

impl<'de, C: Deserialize<'de>> Deserialize<'de> for Members<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looking(PhantomData))
    }
}

struct Looking<C>(PhantomData<C>);

impl<C> Looking<C> {
    fn leaf<E>() -> Result<Members<C>, E> {
        Ok(Members(Vec::new()))
    }
}

impl<'de, C: Deserialize<'de>> Visitor<'de> for Looking<C> {
    type Value = Members<C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Self::leaf()
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Self::leaf()
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Self::leaf()
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Self::leaf()
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Self::leaf()
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Self::leaf()
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Self::leaf()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_every_format() {
        let yaml = "# a comment\nttl:\n  id_token: 1h\n\n  access_token: 2h\nsecrets:\n  system:\n    - aaa\n";
        let json =
            "{\n\t\"ttl\": {\n\t\t\"id_token\": \"1h\",\n\n\t\t\"access_token\": \"2h\"},\n\t\"dsn\": \"memory\"\n}";
        let toml = "dsn = 'memory'\n[ttl]\nid_token = '1h'\n\naccess_token = '2h'\n";
        for (format, lines) in [
            ("yaml", of_yaml(yaml)),
            ("json", of_yaml(json)),
            ("toml", of_toml(toml)),
        ] {
            assert_eq!(
                (
                    lines.of("ttl.id_token"),
                    lines.of("ttl.access_token"),
                    lines.of("ttl.auth_code")
                ),
                (Some(3), Some(5), None),
                "{format}"
            );
        }
    }
}
