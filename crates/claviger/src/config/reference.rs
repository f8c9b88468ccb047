//! The reference of all settings, `docs/configuration.md`, written from the table.

use std::fmt::Write;

use super::keys::{Effect, Key, SECTIONS, Standing};
use super::kind::Kind;

/// The text of `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(INTRODUCTION);
    for section in SECTIONS {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n## {}\n\n| Key | Type | Default | Effect | Meaning |\n|---|---|---|---|---|\n",
            section.title
        );
        for key in section.keys {
            let _ = writeln!(text, "{}", row(key));
        }
    }
    text
}

const INTRODUCTION: &str = "\
# Configuration

This page is written from the table in `crates/claviger/src/config/keys.rs`.

Settings come from these places; later ones win:

1. the defaults below;
2. configuration files, in the order of their `-c` flags: YAML (`.yaml`, `.yml`), JSON (`.json`) or TOML (`.toml`);
3. flags (`--dev`, `--dangerous-force-http`, ...), where given;
4. environment variables;
5. the argument of a command, such as the database of `migrate sql`.

In a file, the dots of a key separate levels. The environment variable of a key is its name in capitals with `_` for `.`
and `-`: `serve.public.port` is `SERVE_PUBLIC_PORT`. A list is written with commas (`SECRETS_SYSTEM=new,old`), as a JSON
array, or in numbered variables (`SECRETS_SYSTEM_0`, `SECRETS_SYSTEM_1`). A group of settings may be given as a JSON
object (`TTL='{\"id_token\":\"30m\"}'`). An empty variable counts as absent, and one that no key has is ignored.

A key that is not in these tables, or a value of another type, stops the start with a line that names it.

Durations are numbers with units: `ns`, `us`, `ms`, `s`, `m`, `h`, as in `1h30m`.

Every secret and the database may be in a file: the variable of the key with `_FILE` behind it holds the file's path
(`SECRETS_SYSTEM_FILE`, `DSN_FILE`, `OIDC_SUBJECT_IDENTIFIERS_PAIRWISE_SALT_FILE`). The line break at its end does not count; a list
has one entry on each line, or is a JSON array. Both variables of one key together are refused.

`claviger config` shows the values in force and the place that each comes from, down to the line of a file, without secrets.
`claviger config --schema` prints a JSON Schema of the files, which is also at `docs/claviger.schema.json`; editors that are told of
it (`$schema`, or `# yaml-language-server: $schema=…`) complete and check keys.

The column *Effect* says when a changed value takes effect: *start* at the next start, *reload* while the server runs. It looks
at its configuration files, and at those that a `_FILE` variable names, every second, and again on `SIGHUP`. What is new is
judged as at a start and is used for the requests that begin from then on, all of it at once. What is not fit for a start is
refused as a whole and logged, the earlier configuration stays in use, and `claviger_config_reloads_total{outcome=\"refused\"}` counts it.
Changed keys that need a restart are named in the log. The environment and flags of a running process do not change.

Keys with *no effect* are accepted, so that a configuration written for Ory Hydra can be used as it is, and named with their reason
in a warning at start. To ignore keys that are *refused* would be unsafe: with them the server does not start.
";

fn row(key: &Key) -> String {
    let default = if key.default.is_empty() {
        String::new()
    } else {
        format!("`{}`", key.default.replace(',', ", "))
    };
    let effect = match key.effect {
        Effect::Hot => "reload",
        Effect::Start => "start",
    };
    let standing = match key.standing {
        // The description of a moot setting says that there is nothing to switch.
        Standing::Works | Standing::Moot => String::new(),
        Standing::NotYet => format!(" *No effect: {}.*", key.reason),
        Standing::Withheld => format!(" *Refused: {}.*", key.reason),
    };
    format!(
        "| `{}` | {} | {default} | {effect} | {}{standing} |",
        key.path,
        type_name(key.kind),
        key.doc
    )
}

fn type_name(kind: Kind) -> String {
    match kind {
        Kind::OneOf(words) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Kind::Hook => "URL or object".into(),
        Kind::Headers => "object".into(),
        Kind::Prefix | Kind::CookieName | Kind::CookieAttribute | Kind::Secret => "text".into(),
        Kind::Url => "URL".into(),
        Kind::Page => "URL or path".into(),
        Kind::Duration => "duration".into(),
        Kind::DurationOrNever => "duration, or -1".into(),
        Kind::Host => "host".into(),
        Kind::Secrets => "list of texts of at least 16 bytes".into(),
        other => other.expected().trim_start_matches("a ").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::keys;

    /// With `CLAVIGER_BLESS=1` in the environment the file is written anew.
    #[test]
    fn the_checked_in_reference_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        if std::env::var_os("CLAVIGER_BLESS").is_some() {
            fs::write(&path, reference()).unwrap();
        }
        let file = fs::read_to_string(&path).unwrap();
        assert!(
            file == reference(),
            "docs/configuration.md is out of date; run: CLAVIGER_BLESS=1 cargo test -p claviger --lib reference"
        );
    }

    #[test]
    fn every_setting_is_in_the_reference_in_one_line() {
        let text = reference();
        for key in keys::all() {
            assert_eq!(
                text.lines()
                    .filter(|line| line.starts_with(&format!("| `{}` |", key.path)))
                    .count(),
                1,
                "{}",
                key.path
            );
        }
    }
}
