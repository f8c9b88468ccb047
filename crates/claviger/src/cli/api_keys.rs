//! `create|list|revoke api-key`: keys of the admin port. They work on the database itself, so that the first key can be
//! made before anybody can use the port, and none can be made by a key.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use claviger_core::api_key::{Area, Created};
use claviger_core::context::Timestamp;
use claviger_core::port::ApiKeyRecord;
use serde_json::{Value, json};

use super::go_duration;
use super::output::{Document, Layout, Report};

const HEADER: &[&str] = &["ID", "NAME", "SCOPE", "CREATED AT", "EXPIRES AT", "LAST USED"];

/// Which database.
#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    /// Configuration file (YAML, JSON or TOML) that names the database; may be repeated, later files win
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    pub(crate) config: Vec<PathBuf>,

    /// Database URL; otherwise the configuration's, or the variable DSN
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

/// Makes a key.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Scopes:
  read         read clients, consents, trusted issuers and metrics, change nothing
  clients      manage clients and end their access tokens
  flows        answer login, consent, logout and device requests; manage consents and sessions
  keys         manage key sets, private keys among them, and trusted issuers
  introspect   introspect tokens
  metrics      read metrics
  all          everything

Examples:
  claviger create api-key login-app --scope flows -c claviger.yml
  DSN=postgres://… claviger create api-key gateway --scope introspect --expires-in 2160h

The key is shown once. Send it as `Authorization: Bearer clv_ak_…`; servers ask for keys when
serve.admin.require_api_key is true.")]
pub(crate) struct Create {
    /// A name of your choice, which the audit log repeats
    pub(crate) name: String,

    /// What the key opens; several with commas
    #[arg(long, required = true, value_name = "SCOPE", value_delimiter = ',', value_parser = area)]
    pub(crate) scope: Vec<Area>,

    /// When it ends, for example 2160h; never unless you say so
    #[arg(long, value_name = "DURATION", value_parser = go_duration::parse)]
    pub(crate) expires_in: Option<Duration>,

    #[command(flatten)]
    pub(crate) place: Place,
}

/// Shows all keys.
#[derive(Args, Clone, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Ends a key.
#[derive(Args, Clone, Debug)]
pub(crate) struct Revoke {
    /// The key's id or name
    pub(crate) key: String,

    #[command(flatten)]
    pub(crate) place: Place,
}

/// One of the three.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job<'a> {
    Create(&'a Create),
    List(&'a List),
    Revoke(&'a Revoke),
}

impl<'a> Job<'a> {
    pub(crate) fn place(self) -> &'a Place {
        match self {
            Self::Create(arguments) => &arguments.place,
            Self::List(arguments) => &arguments.place,
            Self::Revoke(arguments) => &arguments.place,
        }
    }
}

fn area(text: &str) -> Result<Area, String> {
    Area::parse(text).ok_or_else(|| {
        let names: Vec<_> = Area::ALL.iter().map(|area| area.name()).collect();
        format!("known are {}", names.join(", "))
    })
}

/// A new key, for the only time with its text.
pub(crate) fn created_report(created: &Created) -> Report {
    let mut row = row(&created.record);
    row.push(created.text.to_string());
    let mut members = members(&created.record);
    members.push(("api_key", Value::from(created.text.as_str())));
    Report {
        header: &[
            "ID",
            "NAME",
            "SCOPE",
            "CREATED AT",
            "EXPIRES AT",
            "LAST USED",
            "API KEY",
        ],
        layout: Layout::Record(row),
        ids: vec![created.text.to_string()],
        document: Document::Ordered(members),
    }
}

pub(crate) fn list_report(keys: &[ApiKeyRecord]) -> Report {
    let items: Vec<Value> = keys.iter().map(|key| members(key).into_iter().collect()).collect();
    Report {
        header: HEADER,
        layout: Layout::Table(keys.iter().map(row).collect()),
        ids: keys.iter().map(|key| key.id.to_string()).collect(),
        document: Document::Plain(json!({ "items": items })),
    }
}

pub(crate) fn revoked_report(key: &ApiKeyRecord) -> Report {
    let id = key.id.to_string();
    Report {
        header: &["ID"],
        layout: Layout::Record(vec![id.clone()]),
        ids: vec![id.clone()],
        document: Document::Plain(Value::from(id)),
    }
}

fn row(key: &ApiKeyRecord) -> Vec<String> {
    let shown = |time: Option<String>, absent: &str| time.unwrap_or_else(|| absent.to_owned());
    vec![
        key.id.to_string(),
        key.name.clone(),
        key.scope.join(" "),
        key.created_at.rfc3339(),
        shown(end(key), "never"),
        shown(key.last_used_at.map(Timestamp::rfc3339), "never"),
    ]
}

fn members(key: &ApiKeyRecord) -> Vec<(&'static str, Value)> {
    vec![
        ("id", key.id.to_string().into()),
        ("name", key.name.clone().into()),
        ("scope", key.scope.join(" ").into()),
        ("created_at", key.created_at.rfc3339().into()),
        ("expires_at", end(key).into()),
        ("last_used_at", key.last_used_at.map(Timestamp::rfc3339).into()),
    ]
}

fn end(key: &ApiKeyRecord) -> Option<String> {
    (key.expires_at != Timestamp::NEVER).then(|| key.expires_at.rfc3339())
}
