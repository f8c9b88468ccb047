//! The values of all settings while they are being put together, each with the place that it came from.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroize;

use super::error::{ConfigError, Source};
use super::keys::{self, Effect, Key, Standing};
use super::lines::Lines;
use super::{duration, nearest};

#[derive(Clone)]
struct Entry {
    key: &'static Key,
    value: Value,
    source: Source,
}

/// Every setting that has a value, by path.
pub(super) struct Values {
    entries: BTreeMap<&'static str, Entry>,
    /// The paths that somebody asked for, to prove that what the table calls working is used.
    #[cfg(test)]
    pub(super) asked: std::sync::Mutex<std::collections::BTreeSet<String>>,
}

impl Values {
    /// The defaults of the table.
    pub(super) fn defaults() -> Self {
        let entry = |key: &'static Key| {
            (
                key.path,
                Entry {
                    key,
                    value: key.default_value(),
                    source: Source::Default,
                },
            )
        };
        Self {
            entries: keys::all().filter(|key| !key.default.is_empty()).map(entry).collect(),
            #[cfg(test)]
            asked: std::sync::Mutex::default(),
        }
    }

    /// Sets one setting, over whatever it was.
    pub(super) fn set(&mut self, key: &'static Key, value: Value, source: Source) -> Result<(), ConfigError> {
        match key.kind.check(&value) {
            Ok(()) => {
                self.entries.insert(key.path, Entry { key, value, source });
                Ok(())
            }
            Err(reason) => Err(ConfigError::Invalid {
                key: key.path.to_owned(),
                origin: source,
                reason,
            }),
        }
    }

    /// Sets one setting that the program itself names.
    pub(super) fn set_path(&mut self, path: &str, value: Value, source: Source) -> Result<(), ConfigError> {
        match keys::find(path) {
            Some(key) => self.set(key, value, source),
            None => Err(unknown(path, source)),
        }
    }

    /// Sets everything in a whole file.
    pub(super) fn set_file(&mut self, tree: Value, lines: &Lines, source: &Source) -> Result<(), ConfigError> {
        self.set_under("", tree, &|path| match source {
            Source::File(file, _) => Source::File(file.clone(), lines.of(path)),
            other => other.clone(),
        })
    }

    /// Sets everything in `value`, which stands at `path`.
    pub(super) fn set_tree(&mut self, path: &str, value: Value, source: &Source) -> Result<(), ConfigError> {
        self.set_under(path, value, &|_| source.clone())
    }

    fn set_under(&mut self, path: &str, value: Value, source: &dyn Fn(&str) -> Source) -> Result<(), ConfigError> {
        if let Some(key) = keys::find(path) {
            return self.set(key, value, source(path));
        }
        if !path.is_empty() && !keys::groups().contains(&path) {
            return Err(unknown(path, source(path)));
        }
        match value {
            // A heading whose lines are all commented out.
            Value::Null => Ok(()),
            Value::Object(members) => members.into_iter().try_for_each(|(name, member)| {
                // A dot inside a name would reach another setting than the one that the file's structure says.
                if name.contains('.') {
                    return Err(unknown(&child(path, &name), source(&child(path, &name))));
                }
                self.set_under(&child(path, &name), member, source)
            }),
            _ => {
                let key = if path.is_empty() { "the configuration" } else { path };
                let reason = "must be a group of settings, not a single value".to_owned();
                Err(ConfigError::Invalid {
                    key: key.to_owned(),
                    origin: source(path),
                    reason,
                })
            }
        }
    }

    /// Puts the values of `running` back where a change takes effect at the next start only; their paths.
    pub(super) fn hold(&mut self, running: &Self) -> Vec<&'static str> {
        let held = keys::all().filter(|key| key.effect == Effect::Start && self.differs(running, key.path));
        let held: Vec<_> = held.map(|key| key.path).collect();
        for &path in &held {
            match running.entries.get(path) {
                Some(entry) => self.entries.insert(path, entry.clone()),
                None => self.entries.remove(path),
            };
        }
        held
    }

    /// The paths of all settings whose value is another one than in `running`.
    pub(super) fn changed_since(&self, running: &Self) -> Vec<&'static str> {
        let changed = keys::all().filter(|key| self.differs(running, key.path));
        changed.map(|key| key.path).collect()
    }

    fn differs(&self, other: &Self, path: &str) -> bool {
        let (one, two) = (self.entries.get(path), other.entries.get(path));
        one.map(|entry| &entry.value) != two.map(|entry| &entry.value)
    }

    /// Whether anything but a default set it.
    pub(super) fn is_set(&self, path: &str) -> bool {
        self.entries
            .get(path)
            .is_some_and(|entry| entry.source != Source::Default)
    }

    /// Where its value came from.
    pub(super) fn source(&self, path: &str) -> Source {
        self.entries
            .get(path)
            .map_or(Source::Default, |entry| entry.source.clone())
    }

    /// Its value as `T`; an `Option` where there is no default.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ConfigError> {
        self.with(path, |value| {
            serde_json::from_value(value.clone()).map_err(|_| "has a value of the wrong type".into())
        })
    }

    /// Its value as a duration.
    pub(super) fn duration(&self, path: &str) -> Result<std::time::Duration, ConfigError> {
        let read = |value: &Value| value.as_str().and_then(duration::parse);
        self.with(path, |value| {
            read(value).ok_or_else(|| "must be a duration such as 1h30m".into())
        })
    }

    /// Its value as a duration that is not too short for whole seconds.
    pub(super) fn at_least_a_second(&self, path: &str) -> Result<std::time::Duration, ConfigError> {
        match self.duration(path)? {
            life if life.as_secs() < 1 => Err(self.invalid(path, "must be at least 1s")),
            life => Ok(life),
        }
    }

    /// Its value as a duration; none if it is -1.
    pub(super) fn duration_or_never(&self, path: &str) -> Result<Option<std::time::Duration>, ConfigError> {
        let never = self.entries.get(path).is_some_and(|e| e.value == -1 || e.value == "-1");
        if never { Ok(None) } else { self.duration(path).map(Some) }
    }

    fn with<T>(&self, path: &str, read: impl FnOnce(&Value) -> Result<T, String>) -> Result<T, ConfigError> {
        #[cfg(test)]
        self.asked.lock().unwrap().insert(path.to_owned());
        if keys::find(path).is_none() {
            return Err(unknown(path, Source::Default));
        }
        let value = self.entries.get(path).map_or(&Value::Null, |entry| &entry.value);
        read(value).map_err(|reason| self.invalid(path, reason))
    }

    /// An error about the value of `path`.
    pub(super) fn invalid(&self, path: &str, reason: impl Into<String>) -> ConfigError {
        ConfigError::Invalid {
            key: path.to_owned(),
            origin: self.source(path),
            reason: reason.into(),
        }
    }

    /// Every setting that has a value, in the order of the table, secrets replaced.
    pub(super) fn shown(&self) -> Vec<(&'static str, Value, Source)> {
        let entries = keys::all().filter_map(|key| self.entries.get(key.path));
        entries
            .map(|e| (e.key.path, e.key.kind.shown(&e.value), e.source.clone()))
            .collect()
    }

    /// The settings of `standing` whose value is not the default.
    pub(super) fn changed(&self, standing: Standing) -> impl Iterator<Item = (&'static Key, &Source)> {
        let entries = self
            .entries
            .values()
            .filter(move |e| e.key.standing == standing && e.value != e.key.default_value());
        entries.map(|e| (e.key, &e.source))
    }
}

impl Clone for Values {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            #[cfg(test)]
            asked: std::sync::Mutex::default(),
        }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Values(..)")
    }
}

/// Secrets do not stay behind in freed memory.
impl Drop for Values {
    fn drop(&mut self) {
        let secrets = self.entries.values_mut().filter(|entry| entry.key.kind.is_secret());
        secrets.for_each(|entry| wipe(&mut entry.value));
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(list) => list.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn unknown(path: &str, origin: Source) -> ConfigError {
    ConfigError::Unknown {
        key: path.to_owned(),
        origin,
        nearest: nearest::to(path),
    }
}
