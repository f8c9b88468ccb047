//! `config`: which settings are in force, and where each comes from.

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::{Document, Format, Layout, Report};
use super::server_args::Configuration;
use super::terminal::Terminal;
use crate::config::keys::{self, Effect};
use crate::config::{self, Purpose, Source};
use crate::server::JobError;

/// `config`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  claviger config -c claviger.yml                      every setting, its value and its source
  claviger config -c claviger.yml --changed ttl serve  what is not the default, of these groups
  claviger config --schema > claviger.schema.json      for your editor

Secrets are masked. The environment counts as it does for `serve`.")]
pub(crate) struct Config {
    /// Settings or groups of settings to show, for example ttl or serve.public; all by default
    #[arg(value_name = "KEY")]
    only: Vec<String>,

    #[command(flatten)]
    configuration: Configuration,

    /// Show only what is not the default
    #[arg(long)]
    changed: bool,

    /// Print the JSON Schema of configuration files instead
    #[arg(long)]
    schema: bool,

    /// How to print: table, json, json-pretty, yaml, jsonpath=PATH or jsonpointer=POINTER
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,

    /// Print nothing but keys
    #[arg(short, long)]
    quiet: bool,
}

impl Config {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        if self.schema {
            return terminal.print(&config::schema_text());
        }
        let sources = self.configuration.sources(terminal.environment(), Purpose::Show);
        let settings = config::load(sources).map_err(JobError::from)?;
        if let Some(unknown) = self
            .only
            .iter()
            .find(|only| !keys::all().any(|key| is_in(key.path, only)))
        {
            return Err(Failure::input(format!(
                "{unknown:?} is neither a setting nor a group of settings. All of them: claviger config --quiet"
            )));
        }
        for warning in &settings.warnings {
            terminal.explain(warning);
        }
        let shown: Vec<_> = settings
            .effective()
            .iter()
            .filter(|(path, _, source)| self.wants(path) && !(self.changed && *source == Source::Default))
            .collect();
        let row = |path: &str, value: &Value, source: &Source| vec![path.to_owned(), plain(value), source.to_string()];
        let report = Report {
            header: &["KEY", "VALUE", "SOURCE"],
            layout: Layout::Table(
                shown
                    .iter()
                    .map(|(path, value, source)| row(path, value, source))
                    .collect(),
            ),
            ids: shown.iter().map(|(path, ..)| (*path).to_owned()).collect(),
            document: Document::Plain(
                shown
                    .iter()
                    .map(|(path, value, source)| member(path, value, source))
                    .collect(),
            ),
        };
        terminal.print(&report.render(&self.format, self.quiet)?)
    }

    fn wants(&self, path: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| is_in(path, only))
    }
}

/// Whether it is this setting, or one of this group.
fn is_in(path: &str, group: &str) -> bool {
    let rest = path.strip_prefix(group);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn member(path: &str, value: &Value, source: &Source) -> Value {
    let effect = match keys::find(path).map(|key| key.effect) {
        Some(Effect::Hot) => "reload",
        _ => "start",
    };
    json!({ "key": path, "value": value, "source": source.to_string(), "effect": effect })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::process::ExitCode;

    use super::*;
    use crate::cli::terminal::testing::terminal;

    fn run(words: &[&str], env: &[(&str, &str)]) -> (ExitCode, String, String) {
        let arguments = ["claviger", "config"].iter().chain(words).map(OsString::from);
        let env = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let (mut terminal, output, errors) = terminal("", env);
        let status = crate::cli::run(arguments, &mut terminal);
        (status, output.text(), errors.text())
    }

    #[test]
    fn every_value_has_its_source_down_to_the_line_and_no_secret_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(at("a.yml"), "ttl:\n  access_token: 2h\n  id_token: 3h\n").unwrap();
        std::fs::write(at("b.toml"), "[ttl]\nid_token = '4h'\n").unwrap();
        let env = [
            ("SECRETS_SYSTEM", "hidden-hidden-hidden"),
            ("DSN", "postgres://a:hidden@b/c"),
            ("TTL_AUTH_CODE", "9m"),
        ];
        let (a, b) = (at("a.yml"), at("b.toml"));
        let words = ["-c", &a, "-c", &b, "--format", "json", "--dangerous-force-http"];
        let (status, output, _) = run(&words, &env);
        assert_eq!(status, ExitCode::SUCCESS);
        assert!(!output.contains("hidden"), "{output}");
        let list: Vec<Value> = serde_json::from_str(&output).unwrap();
        let source = |key: &str| {
            let found = list.iter().find(|entry| entry["key"] == key).unwrap();
            (found["value"].clone(), found["source"].as_str().unwrap().to_owned())
        };
        assert_eq!(source("ttl.access_token"), (json!("2h"), format!("file {a}:2")));
        assert_eq!(source("ttl.id_token"), (json!("4h"), format!("file {b}:2")));
        let env = (json!("9m"), "environment variable TTL_AUTH_CODE".to_owned());
        assert_eq!(source("ttl.auth_code"), env);
        assert_eq!(source("ttl.refresh_token"), (json!("720h"), "default".to_owned()));
        assert_eq!(source("dangerous-force-http").1, "flag --dangerous-force-http");
        assert_eq!(source("secrets.system").0, json!(["******"]));
        assert_eq!(source("dsn").0, "postgres://a:******@b/c");
    }

    #[test]
    fn groups_and_changes_can_be_picked() {
        let env = [("TTL_AUTH_CODE", "9m"), ("LOG_LEVEL", "debug")];
        let (_, output, _) = run(&["ttl", "--changed", "--quiet"], &env);
        assert_eq!(output, "ttl.auth_code\n");
        let (_, output, _) = run(&["ttl.auth_code"], &env);
        assert!(output.contains("9m") && output.contains("TTL_AUTH_CODE"), "{output}");
        let (status, _, errors) = run(&["tttl"], &env);
        assert!(status == ExitCode::FAILURE && errors.contains("tttl"), "{errors}");
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_a_failure() {
        let (status, output, errors) = run(&[], &[("TTL_AUTH_CODE", "soon")]);
        assert!(status == ExitCode::FAILURE && output.is_empty(), "{output}");
        assert!(errors.contains("TTL_AUTH_CODE"), "{errors}");
    }

    #[test]
    fn what_has_no_effect_is_named_with_its_reason() {
        let (_, _, errors) = run(&[], &[("SECRETS_COOKIE", "0123456789abcdef")]);
        assert!(
            errors.contains("secrets.cookie") && errors.contains("sealed under secrets.system"),
            "{errors}"
        );
    }
}
