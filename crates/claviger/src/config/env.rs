//! The environment: every setting has a variable, named by its path in capitals with `_` for dots.
//!
//! Names contain `_` themselves, so variables are not taken apart; each known path looks for its own. Variables that
//! belong to no path are other programs' business.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zeroize::Zeroizing;

use super::error::{ConfigError, Source};
use super::keys::{self, Key};
use super::kind::Kind;
use super::values::Values;

/// The variables of this process, the only place that reads them. What is not UTF-8 cannot be a setting.
#[must_use]
pub fn process_env() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// Sets everything that `env` names. An empty variable counts as absent.
pub(super) fn apply(env: Vec<(String, String)>, values: &mut Values) -> Result<(), ConfigError> {
    let env: BTreeMap<String, String> = env.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect();
    for group in keys::groups() {
        apply_group(group, &env, values)?;
    }
    keys::all().try_for_each(|key| apply_key(key, &env, values))
}

/// A whole group of settings as a JSON object. Anything else under such a name (`LOG`, `DB`) is not meant for us.
fn apply_group(group: &str, env: &BTreeMap<String, String>, values: &mut Values) -> Result<(), ConfigError> {
    let name = keys::env_name(group);
    let Some(text) = env
        .get(&name)
        .map(|text| text.trim())
        .filter(|text| text.starts_with('{'))
    else {
        return Ok(());
    };
    let source = Source::Env(name);
    match serde_json::from_str::<Value>(text) {
        Ok(value) => values.set_tree(group, value, &source),
        Err(_) => Err(invalid(group, source, "must be a JSON object")),
    }
}

fn apply_key(key: &'static Key, env: &BTreeMap<String, String>, values: &mut Values) -> Result<(), ConfigError> {
    let name = key.env_name();
    if let Some((file_name, path)) = named_file(key, env) {
        let source = Source::Env(file_name);
        if env.contains_key(&name) {
            return Err(invalid(
                key.path,
                source,
                format!("is set by {name} too; keep one of them"),
            ));
        }
        return match content(key.kind, path) {
            Ok(value) => values.set(key, value, source),
            Err(reason) => Err(invalid(key.path, source, reason)),
        };
    }
    if let Some(text) = env.get(&name) {
        let source = Source::Env(name);
        return match key.kind.read(text.trim()) {
            Ok(value) => values.set(key, value, source),
            Err(reason) => Err(invalid(key.path, source, reason)),
        };
    }
    let is_list = matches!(key.kind, Kind::Secrets | Kind::Texts | Kind::SomeOf(_));
    if is_list {
        apply_indexed(key, &name, env, values)
    } else {
        Ok(())
    }
}

/// The variable that names a file with the value, for what nobody should see in the environment, and the file.
fn named_file<'e>(key: &Key, env: &'e BTreeMap<String, String>) -> Option<(String, &'e Path)> {
    let name = key.file_env_name()?;
    let path = env.get(&name)?;
    Some((name, Path::new(path.trim())))
}

/// The files that such variables name.
pub(super) fn files(env: &[(String, String)]) -> Vec<PathBuf> {
    let names: Vec<String> = keys::all().filter_map(Key::file_env_name).collect();
    let named = env
        .iter()
        .filter(|(name, text)| names.contains(name) && !text.trim().is_empty());
    named.map(|(_, path)| PathBuf::from(path.trim())).collect()
}

/// What stands in a file of its own. The line break that editors and tools put at its end is no part of it.
fn content(kind: Kind, path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| format!("names the file {}, which cannot be read: {error}", path.display()))?;
    if kind == Kind::Secrets && !text.trim_start().starts_with('[') {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let list: Value = lines.map(Value::from).collect();
        return kind.check(&list).map(|()| list);
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("names the file {}, which is empty", path.display()));
    }
    kind.read(text)
}

/// A list in numbered variables: `SECRETS_SYSTEM_0`, `SECRETS_SYSTEM_1`, ...
fn apply_indexed(
    key: &'static Key,
    name: &str,
    env: &BTreeMap<String, String>,
    values: &mut Values,
) -> Result<(), ConfigError> {
    let index = |candidate: &str| candidate.strip_prefix(name)?.strip_prefix('_')?.parse::<usize>().ok();
    let mut entries: Vec<(usize, &str)> = env
        .iter()
        .filter_map(|(n, text)| Some((index(n)?, text.trim())))
        .collect();
    entries.sort_unstable();
    if entries.is_empty() {
        return Ok(());
    }
    let source = Source::Env(format!("{name}_0"));
    if entries
        .iter()
        .enumerate()
        .any(|(position, (index, _))| position != *index)
    {
        return Err(invalid(key.path, source, "must be numbered from 0 without a gap"));
    }
    values.set(
        key,
        entries.into_iter().map(|(_, text)| Value::from(text)).collect(),
        source,
    )
}

fn invalid(key: &str, origin: Source, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid {
        key: key.to_owned(),
        origin,
        reason: reason.into(),
    }
}
