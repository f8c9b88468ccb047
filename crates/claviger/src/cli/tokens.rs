//! Tokens in the command tree of Hydra v2: `perform client-credentials`, `introspect token`, `revoke token`,
//! `delete access-tokens`.

use clap::Args;
use http::Method;
use serde_json::Value;

use super::api::{Call, query};
use super::failure::Failure;
use super::oauth2::{self, Tokens};
use super::output::{Document, Layout, Report, prune, text};
use super::remote::{ClientFlags, Remote, admin_path};
use super::secret::Secret;
use super::terminal::Terminal;
use super::token::{confidential, introspect, revoke};

/// `perform client-credentials`.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  claviger perform client-credentials -e http://127.0.0.1:4444 --client-id my-api --client-secret … --format json")]
pub(crate) struct PerformClientCredentials {
    #[command(flatten)]
    client: ClientFlags,

    /// Scopes to ask for, separated by commas
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<String>,

    /// Audiences to ask for, separated by commas
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    audience: Vec<String>,
}

/// `introspect token`.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  claviger introspect token -e http://127.0.0.1:4445 --format json-pretty TOKEN")]
pub(crate) struct IntrospectToken {
    token: Secret,

    /// Scopes the token must have to count as active
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<String>,
}

/// `revoke token`.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  claviger revoke token -e http://127.0.0.1:4444 --client-id my-api --client-secret … TOKEN")]
pub(crate) struct RevokeToken {
    token: Secret,

    #[command(flatten)]
    client: ClientFlags,
}

/// `delete access-tokens`.
#[derive(Args, Debug)]
pub(crate) struct DeleteAccessTokens {
    client_id: String,
}

impl PerformClientCredentials {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let credentials = confidential(&self.client, terminal)?;
        let api = remote.public_api(terminal)?;
        let form = oauth2::client_credentials(&self.scope, &self.audience);
        let tokens = oauth2::token(&api, "/oauth2/token", &credentials, form).await?;
        remote.print(terminal, &token_report(&tokens, false))
    }
}

impl IntrospectToken {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let path = admin_path(&api, "/oauth2/introspect");
        let answer = introspect(&api, &path, self.token.expose(), &self.scope).await?;
        remote.print(terminal, &introspection_report(answer))
    }
}

impl RevokeToken {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let credentials = confidential(&self.client, terminal)?;
        revoke(&remote.public_api(terminal)?, &credentials, self.token.expose()).await?;
        remote.print(terminal, &ids_report(vec![self.token.expose().to_owned()]))
    }
}

impl DeleteAccessTokens {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let query = query(&[("client_id", &self.client_id)]);
        let path = admin_path(&api, &format!("/oauth2/tokens{query}"));
        api.send(Call::new(Method::DELETE, path)).await?.done()?;
        remote.print(terminal, &ids_report(vec![self.client_id.clone()]))
    }
}

/// What was deleted or revoked; one is printed as itself, several as a list.
pub(super) fn ids_report(ids: Vec<String>) -> Report {
    let document = match ids.as_slice() {
        [id] => Value::from(id.as_str()),
        ids => Value::from(ids),
    };
    let layout = match ids.as_slice() {
        [id] => Layout::Record(vec![id.clone()]),
        ids => Layout::Table(ids.iter().map(|id| vec![id.clone()]).collect()),
    };
    Report {
        header: &["ID"],
        layout,
        ids,
        document: Document::Plain(document),
    }
}

/// A token response; `expires_in` belongs to the flows in which a person takes part.
pub(super) fn token_report(tokens: &Tokens, with_expires_in: bool) -> Report {
    let shown = |value: Option<String>| value.unwrap_or_else(|| "<empty>".to_owned());
    let expiry = tokens
        .expires_at
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string());
    let row = vec![
        tokens.access_token.clone(),
        shown(tokens.refresh_token.clone()),
        shown(tokens.id_token.clone()),
        shown(expiry),
    ];
    let answered = |name: &str| tokens.answer.get(name).cloned();
    let members = [
        ("access_token", Some(tokens.access_token.clone().into())),
        ("token_type", answered("token_type")),
        ("refresh_token", answered("refresh_token")),
        ("id_token", answered("id_token")),
        ("expiry", tokens.expires_at.map(|time| time.to_string().into())),
        ("expires_in", answered("expires_in").filter(|_| with_expires_in)),
    ];
    let members = members
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    Report {
        header: &["ACCESS TOKEN", "REFRESH TOKEN", "ID TOKEN", "EXPIRY"],
        layout: Layout::Record(row),
        ids: vec![tokens.access_token.clone()],
        document: Document::Ordered(members),
    }
}

fn introspection_report(answer: Value) -> Report {
    let active = answer
        .get("active")
        .and_then(Value::as_bool)
        .unwrap_or_default()
        .to_string();
    let expiry = answer.get("exp").and_then(Value::as_i64).unwrap_or_default();
    let expiry = jiff::Timestamp::from_second(expiry).unwrap_or_default();
    let row = vec![
        active.clone(),
        text(&answer, "sub"),
        text(&answer, "client_id"),
        text(&answer, "scope"),
        expiry.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        text(&answer, "token_use"),
    ];
    Report {
        header: &["ACTIVE", "SUBJECT", "CLIENT ID", "SCOPE", "EXPIRY", "TOKEN USE"],
        layout: Layout::Record(row),
        ids: vec![active],
        document: Document::Plain(prune(answer, true)),
    }
}
