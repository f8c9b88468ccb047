//! `token …`: getting, inspecting and ending tokens, in the command tree of Hydra v1.

use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::api::{Api, Call, query};
use super::failure::Failure;
use super::oauth2::{self, Credentials};
use super::output::tab_indented;
use super::perform_code::{FlowFlags, OAuth2Client, Presentation};
use super::remote::{AdminAddress, ClientFlags, Connection, PUBLIC_VARIABLES};
use super::secret::Secret;
use super::terminal::Terminal;
use super::{clients, go_duration};

/// The group with its connection flags.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  claviger token client --endpoint http://127.0.0.1:4444 --client-id my-api --client-secret …
  claviger token introspect --endpoint http://127.0.0.1:4445 TOKEN
  claviger token user --port 9010 --endpoint http://127.0.0.1:4444 \\
      --client-id my-app --client-secret … --scope openid,offline")]
pub(crate) struct Token {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Get an access token for a client itself (client credentials grant)
    Client(Client),
    /// Get tokens for a person, in the browser (authorization code grant)
    User(Box<User>),
    /// Show what a token stands for
    Introspect(Introspect),
    /// End a token
    Revoke(Revoke),
    /// Remove inactive access tokens from the database
    Flush(Flush),
    /// End all access tokens of a client
    Delete(Delete),
}

#[derive(Args, Debug)]
#[command(after_help = "Example:
  TOKEN=$(claviger token client --endpoint http://127.0.0.1:4444 \\
      --client-id my-api --client-secret … --scope read,write)")]
struct Client {
    #[command(flatten)]
    client: ClientFlags,

    /// Scopes to ask for, separated by commas
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<String>,

    /// Audiences to ask for, separated by commas
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    audience: Vec<String>,

    /// URL of the public port, for example http://127.0.0.1:4444 [env: HYDRA_URL]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Print the whole answer as JSON
    #[arg(short, long)]
    verbose: bool,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example, for a client with the redirect URI http://127.0.0.1:9010/callback:
  claviger token user --port 9010 --endpoint http://127.0.0.1:4444 \\
      --client-id my-app --client-secret … --scope openid,offline

Scope openid gives an ID token, scope offline a refresh token. A client without
a secret is a public one. The code is protected by PKCE in any case."
)]
struct User {
    #[command(flatten)]
    flow: FlowFlags,

    /// URL of the public port, for example http://127.0.0.1:4444 [env: HYDRA_URL]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:
  claviger token introspect --endpoint http://127.0.0.1:4445 \"$TOKEN\"")]
struct Introspect {
    token: Secret,

    /// Scopes the token must have to count as active
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<String>,

    #[command(flatten)]
    address: AdminAddress,

    #[command(flatten)]
    client: ClientFlags,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

#[derive(Args, Debug)]
struct Revoke {
    token: Secret,

    #[command(flatten)]
    client: ClientFlags,

    /// URL of the public port, for example http://127.0.0.1:4444 [env: HYDRA_URL]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

#[derive(Args, Debug)]
struct Flush {
    /// Keep tokens that are younger than this
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = go_duration::parse)]
    min_age: Duration,

    #[command(flatten)]
    address: AdminAddress,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

#[derive(Args, Debug)]
struct Delete {
    /// The OAuth 2.0 client whose tokens end [env: OAUTH2_CLIENT_ID]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,

    #[command(flatten)]
    address: AdminAddress,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

impl Token {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        match &self.command {
            Command::Client(arguments) => arguments.run(&self.connection, terminal).await,
            Command::User(arguments) => arguments.run(&self.connection, terminal).await,
            Command::Introspect(arguments) => arguments.run(&self.connection, terminal).await,
            Command::Revoke(arguments) => arguments.run(&self.connection, terminal).await,
            Command::Flush(arguments) => arguments.run(&self.connection, terminal).await,
            Command::Delete(arguments) => arguments.run(&self.connection, terminal).await,
        }
    }
}

/// The client with its secret, or what is missing.
pub(super) fn confidential(flags: &ClientFlags, terminal: &Terminal) -> Result<Credentials, Failure> {
    let (Some(id), Some(secret)) = (flags.id(terminal), flags.secret(terminal)?) else {
        return Err(Failure::input(
            "This needs an OAuth 2.0 client with its secret.\n\
             Pass --client-id and --client-secret, or set OAUTH2_CLIENT_ID and OAUTH2_CLIENT_SECRET",
        ));
    };
    Ok(Credentials {
        id,
        secret: Some(secret),
    })
}

impl Client {
    async fn run(&self, connection: &Connection, terminal: &mut Terminal) -> Result<(), Failure> {
        clients::warn_of_surplus(&self.surplus, terminal);
        let credentials = confidential(&self.client, terminal)?;
        let api = connection.public(self.endpoint.as_deref(), terminal)?;
        let form = oauth2::client_credentials(&self.scope, &self.audience);
        let tokens = oauth2::token(&api, "/oauth2/token", &credentials, form).await?;
        if self.verbose {
            return terminal.print(&tab_indented(&tokens.answer));
        }
        terminal.print(&format!("{}\n", tokens.access_token))
    }
}

impl User {
    async fn run(&self, connection: &Connection, terminal: &mut Terminal) -> Result<(), Failure> {
        clients::warn_of_surplus(&self.surplus, terminal);
        let credentials = self.flow.credentials(terminal)?;
        let endpoints = self.flow.endpoints(|| {
            let missing = Failure::NoEndpoint {
                variables: "HYDRA_URL or CLAVIGER_URL",
                example: "http://127.0.0.1:4444",
            };
            terminal
                .flag_or(self.endpoint.as_deref(), PUBLIC_VARIABLES)
                .ok_or(missing)
        })?;
        let api = connection.endpoints(&endpoints.token)?;
        let client = OAuth2Client {
            api,
            endpoints,
            credentials,
        };
        self.flow.run(client, terminal, &Presentation::Blocks).await
    }
}

impl Introspect {
    async fn run(&self, connection: &Connection, terminal: &mut Terminal) -> Result<(), Failure> {
        clients::warn_of_surplus(&self.surplus, terminal);
        if self.client.given() {
            terminal.explain("--client-id and --client-secret have no effect here: the admin API needs no client");
        }
        let api = connection.admin(&self.address, terminal)?;
        let mut answer = introspect(&api, "/oauth2/introspect", self.token.expose(), &self.scope).await?;
        // These two are printed whatever they say; the rest only if it says something.
        let aud = answer.get("aud").cloned().unwrap_or_default();
        if let Value::Object(members) = &mut answer {
            members.retain(|_, value| *value != Value::Null && *value != json!("") && *value != json!([]));
            members.insert("aud".to_owned(), aud);
        }
        terminal.print(&tab_indented(&answer))
    }
}

/// Token introspection (RFC 7662 §2.1), at the admin API.
pub(super) async fn introspect(api: &Api, path: &str, token: &str, scope: &[String]) -> Result<Value, Failure> {
    let mut form = vec![("token", token.to_owned())];
    if !scope.is_empty() {
        form.push(("scope", scope.join(" ")));
    }
    api.send(Call::new(Method::POST, path).form(form)).await?.json()
}

/// Token revocation (RFC 7009 §2.1).
pub(super) async fn revoke(api: &Api, credentials: &Credentials, token: &str) -> Result<(), Failure> {
    oauth2::post(api, "/oauth2/revoke", credentials, vec![("token", token.to_owned())])
        .await?
        .done()
}

impl Revoke {
    async fn run(&self, connection: &Connection, terminal: &mut Terminal) -> Result<(), Failure> {
        clients::warn_of_surplus(&self.surplus, terminal);
        let credentials = confidential(&self.client, terminal)?;
        let api = connection.public(self.endpoint.as_deref(), terminal)?;
        revoke(&api, &credentials, self.token.expose()).await?;
        terminal.print(&format!("Revoked OAuth 2.0 Access Token: {}\n", self.token.expose()))
    }
}

impl Flush {
    async fn run(&self, connection: &Connection, terminal: &mut Terminal) -> Result<(), Failure> {
        clients::warn_of_surplus(&self.surplus, terminal);
        let api = connection.admin(&self.address, terminal)?;
        let not_after = jiff::Timestamp::now()
            .checked_sub(self.min_age)
            .map_err(|_| Failure::input("--min-age reaches back further than time does"))?;
        let not_after = not_after.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        let call = Call::new(Method::POST, "/oauth2/flush").json(json!({ "notAfter": not_after }));
        api.send(call).await?.done()?;
        terminal.print("Successfully flushed inactive access tokens\n")
    }
}

impl Delete {
    async fn run(&self, connection: &Connection, terminal: &mut Terminal) -> Result<(), Failure> {
        clients::warn_of_surplus(&self.surplus, terminal);
        let missing = "Whose tokens? Pass --client-id, or set OAUTH2_CLIENT_ID";
        let id = terminal.flag_or(self.client_id.as_deref(), &["OAUTH2_CLIENT_ID"]);
        let id = id.ok_or_else(|| Failure::input(missing))?;
        let api = connection.admin(&self.address, terminal)?;
        let path = format!("/oauth2/tokens{}", query(&[("client_id", &id)]));
        api.send(Call::new(Method::DELETE, path)).await?.done()?;
        terminal.print(&format!("Successfully deleted access tokens for client {id}\n"))
    }
}
