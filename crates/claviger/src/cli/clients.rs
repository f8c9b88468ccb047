//! `clients …`: OAuth 2.0 clients, in the command tree of Hydra v1.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::api::{Api, Call, query, segment};
use super::columns;
use super::failure::Failure;
use super::files;
use super::output::{list, tab_indented, text};
use super::pgp::Pgp;
use super::remote::{AdminAddress, Connection};
use super::secret::Secret;
use super::terminal::Terminal;

/// The group with its connection flags.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  claviger clients create --endpoint http://127.0.0.1:4445 --id my-api -g client_credentials
  claviger clients list --limit 50
  claviger clients get my-api")]
pub(crate) struct Clients {
    #[command(flatten)]
    address: AdminAddress,

    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Create a client
    Create(Create),
    /// Show a client as JSON
    Get {
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// List clients, a page at a time
    List(List),
    /// Replace a client; what is not given goes back to its default
    Update(Update),
    /// Delete clients
    Delete {
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Create clients from JSON files, one client in each
    Import {
        #[arg(value_name = "FILE", required = true)]
        files: Vec<String>,

        #[command(flatten)]
        pgp: Pgp,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  A service that acts for itself:
    claviger clients create --endpoint http://127.0.0.1:4445 --id my-api -g client_credentials
  An application that people log in to:
    claviger clients create --endpoint http://127.0.0.1:4445 -n 'My app' \\
        -g authorization_code,refresh_token -r code -a openid,offline \\
        -c http://127.0.0.1:9010/callback
  An application that can keep no secret, as in a browser or on a phone:
    claviger clients create --endpoint http://127.0.0.1:4445 -n 'My phone app' \\
        --token-endpoint-auth-method none -c com.example.app:/callback")]
struct Create {
    /// The client's id; without it the server chooses one
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    #[command(flatten)]
    fields: Fields,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

#[derive(Args, Debug)]
struct Update {
    id: String,

    #[command(flatten)]
    fields: Fields,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

#[derive(Args, Debug)]
struct List {
    /// Clients on a page
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: i64,

    /// Which page, the first being 1
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    page: i64,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

/// What a client can be created or replaced with. Lists may be separated by commas or given by repeating the flag.
#[derive(Args, Debug)]
struct Fields {
    /// Redirect URIs
    #[arg(short, long, value_name = "URI", value_delimiter = ',')]
    callbacks: Vec<String>,

    /// Grant types the client may use
    #[arg(
        short,
        long,
        value_name = "TYPE",
        value_delimiter = ',',
        default_value = "authorization_code"
    )]
    grant_types: Vec<String>,

    /// Response types the client may use
    #[arg(short, long, value_name = "TYPE", value_delimiter = ',', default_value = "code")]
    response_types: Vec<String>,

    /// Scopes the client may ask for
    #[arg(short = 'a', long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<String>,

    /// Audiences the client may ask for
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    audience: Vec<String>,

    /// How the client proves itself: client_secret_basic, client_secret_post, private_key_jwt or none
    #[arg(long, value_name = "METHOD", default_value = "client_secret_basic")]
    token_endpoint_auth_method: String,

    /// Where the client's public keys are
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,

    /// The client's privacy policy
    #[arg(long, value_name = "URL")]
    policy_uri: Option<String>,

    /// The client's terms of service
    #[arg(long, value_name = "URL")]
    tos_uri: Option<String>,

    /// The client's home page
    #[arg(long, value_name = "URL")]
    client_uri: Option<String>,

    /// The client's logo
    #[arg(long, value_name = "URL")]
    logo_uri: Option<String>,

    /// Origins that browsers may call from
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    allowed_cors_origins: Vec<String>,

    /// Subjects the client sees: public or pairwise
    #[arg(long, value_name = "TYPE", default_value = "public")]
    subject_type: String,

    /// The client's secret; without it the server makes one
    #[arg(long, value_name = "SECRET")]
    secret: Option<Secret>,

    /// The client's name, as people read it
    #[arg(short, long, value_name = "NAME")]
    name: Option<String>,

    /// Where a person may be sent after logout
    #[arg(long, value_name = "URI", value_delimiter = ',')]
    post_logout_callbacks: Vec<String>,

    /// Back-channel logout tokens must carry a session id
    #[arg(long)]
    backchannel_logout_session_required: bool,

    /// Where back-channel logout tokens are sent
    #[arg(long, value_name = "URI")]
    backchannel_logout_callback: Option<String>,

    /// Front-channel logout must carry issuer and session id
    #[arg(long)]
    frontchannel_logout_session_required: bool,

    /// The page that front-channel logout loads
    #[arg(long, value_name = "URI")]
    frontchannel_logout_callback: Option<String>,

    #[command(flatten)]
    pgp: Pgp,
}

impl Fields {
    /// The client as the API takes it; what says nothing is left out.
    fn client(&self, id: Option<&str>) -> Value {
        let client = json!({
            "client_id": id,
            "redirect_uris": self.callbacks,
            "grant_types": self.grant_types,
            "response_types": self.response_types,
            "scope": self.scope.join(" "),
            "audience": self.audience,
            "token_endpoint_auth_method": self.token_endpoint_auth_method,
            "jwks_uri": self.jwks_uri,
            "policy_uri": self.policy_uri,
            "tos_uri": self.tos_uri,
            "client_uri": self.client_uri,
            "logo_uri": self.logo_uri,
            "allowed_cors_origins": self.allowed_cors_origins,
            "subject_type": self.subject_type,
            "client_secret": self.secret.as_ref().map(Secret::expose),
            "client_name": self.name,
            "post_logout_redirect_uris": self.post_logout_callbacks,
            "backchannel_logout_session_required": self.backchannel_logout_session_required,
            "backchannel_logout_uri": self.backchannel_logout_callback,
            "frontchannel_logout_session_required": self.frontchannel_logout_session_required,
            "frontchannel_logout_uri": self.frontchannel_logout_callback,
        });
        without_nothings(&client)
    }

    fn warn(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        if self.secret.is_none() {
            return Ok(());
        }
        terminal.print(
            "Note: a secret on the command line stays in the shell's history. Without --secret, one is made for you.\n",
        )
    }
}

impl Clients {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = self.connection.admin(&self.address, terminal)?;
        match &self.command {
            Command::Create(arguments) => arguments.run(&api, terminal).await,
            Command::Get { ids } => get(&api, ids, terminal).await,
            Command::List(arguments) => arguments.run(&api, terminal).await,
            Command::Update(arguments) => arguments.run(&api, terminal).await,
            Command::Delete { ids } => delete(&api, ids, terminal).await,
            Command::Import { files, pgp } => {
                pgp.refuse()?;
                import(&api, files, terminal).await
            }
        }
    }
}

impl Create {
    async fn run(&self, api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
        warn_of_surplus(&self.surplus, terminal);
        self.fields.pgp.refuse()?;
        self.fields.warn(terminal)?;
        let call = Call::new(Method::POST, "/clients").json(self.fields.client(self.id.as_deref()));
        let client = api.send(call).await?.json()?;
        terminal.print(&format!("OAuth 2.0 Client ID: {}\n", text(&client, "client_id")))?;
        if self.fields.secret.is_some() {
            return Ok(());
        }
        match text(&client, "client_secret").as_str() {
            "" => terminal.print("This OAuth 2.0 Client has no secret\n"),
            secret => terminal.print(&format!("OAuth 2.0 Client Secret: {secret}\n")),
        }
    }
}

impl Update {
    async fn run(&self, api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
        warn_of_surplus(&self.surplus, terminal);
        self.fields.pgp.refuse()?;
        self.fields.warn(terminal)?;
        let client = self.fields.client(Some(&self.id));
        let call = Call::new(Method::PUT, format!("/clients/{}", segment(&self.id))).json(client);
        let client = api.send(call).await?.json()?;
        terminal.print(&format!("{} OAuth 2.0 Client updated\n", text(&client, "client_id")))?;
        match &self.fields.secret {
            Some(secret) => terminal.print(&format!("Updated OAuth 2.0 Client Secret: {}\n", secret.expose())),
            None => Ok(()),
        }
    }
}

async fn get(api: &Api, ids: &[String], terminal: &mut Terminal) -> Result<(), Failure> {
    let [id, surplus @ ..] = ids else { return Ok(()) };
    warn_of_surplus(surplus, terminal);
    let client = api
        .send(Call::new(Method::GET, format!("/clients/{}", segment(id))))
        .await?
        .json()?;
    terminal.print(&tab_indented(&shown(&client)))
}

impl List {
    async fn run(&self, api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
        warn_of_surplus(&self.surplus, terminal);
        if self.limit < 1 || self.page < 0 {
            return Err(Failure::input("--limit must be 1 or more, and --page counts from 1"));
        }
        let offset = (self.page.max(1) - 1).saturating_mul(self.limit);
        let path = query(&[("limit", self.limit.to_string()), ("offset", offset.to_string())]);
        let clients = api
            .send(Call::new(Method::GET, format!("/clients{path}")))
            .await?
            .json()?;
        terminal.print(&table(&clients))
    }
}

fn table(clients: &Value) -> String {
    const HEADER: [&str; 7] = [
        "CLIENT ID",
        "NAME",
        "RESPONSE TYPES",
        "SCOPE",
        "REDIRECT URIS",
        "GRANT TYPES",
        "TOKEN ENDPOINT AUTH METHOD",
    ];
    let row = |client: &Value| {
        vec![
            vec![text(client, "client_id")],
            vec![text(client, "client_name")],
            vec![list(client, "response_types").join(",")],
            vec![text(client, "scope")],
            list(client, "redirect_uris"),
            vec![list(client, "grant_types").join(",")],
            vec![text(client, "token_endpoint_auth_method")],
        ]
    };
    let rows: Vec<_> = clients.as_array().into_iter().flatten().map(row).collect();
    columns::barred(&HEADER, &rows)
}

async fn delete(api: &Api, ids: &[String], terminal: &mut Terminal) -> Result<(), Failure> {
    for id in ids {
        api.send(Call::new(Method::DELETE, format!("/clients/{}", segment(id))))
            .await?
            .done()?;
    }
    terminal.print("OAuth 2.0 Client(s) deleted\n")
}

async fn import(api: &Api, paths: &[String], terminal: &mut Terminal) -> Result<(), Failure> {
    for path in paths {
        let client = files::json(path, "the JSON object of one client", Value::is_object)?;
        let brought = client.get("client_secret").is_some();
        let client = api
            .send(Call::new(Method::POST, "/clients").json(client))
            .await?
            .json()?;
        let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
        let secret = if brought || secret.is_empty() {
            String::new()
        } else {
            format!(":{secret}")
        };
        terminal.print(&format!("Imported OAuth 2.0 Client {id}{secret} from: {path}\n"))?;
    }
    Ok(())
}

/// The older commands ignore arguments too many; saying so costs nothing.
pub(super) fn warn_of_surplus(surplus: &[String], terminal: &mut Terminal) {
    if !surplus.is_empty() {
        terminal.explain(&format!("Ignored: {}", surplus.join(" ")));
    }
}

/// Leaves out `null`, `false`, 0 and what is empty, but keeps objects.
fn without_nothings(value: &Value) -> Value {
    let says_something = |value: &Value| match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(value) => value.as_i64() != Some(0),
        Value::String(value) => !value.is_empty(),
        Value::Array(value) => !value.is_empty(),
        Value::Object(_) => true,
    };
    let members = value.as_object().cloned().unwrap_or_default();
    Value::Object(
        members
            .into_iter()
            .filter(|(_, value)| says_something(value))
            .collect::<Map<_, _>>(),
    )
}

/// A client as `clients get` prints it: without what says nothing, times to the millisecond.
fn shown(client: &Value) -> Value {
    let mut client = without_nothings(client);
    for name in ["created_at", "updated_at"] {
        let Some(time) = client.get_mut(name) else { continue };
        let parsed = time.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        if let Some(parsed) = parsed {
            *time = parsed.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string().into();
        }
    }
    client
}
