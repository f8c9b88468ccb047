//! OAuth 2.0 clients in the command tree of Hydra v2: `create|get|list|update|delete|import oauth2-client`.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::api::{Call, query, segment};
use super::failure::Failure;
use super::files;
use super::output::{Document, Layout, Report, list, prune, text};
use super::remote::{Remote, admin_path};
use super::terminal::Terminal;
use super::tokens::ids_report;

const HEADER: [&str; 7] = [
    "CLIENT ID",
    "CLIENT SECRET",
    "GRANT TYPES",
    "RESPONSE TYPES",
    "SCOPE",
    "AUDIENCE",
    "REDIRECT URIS",
];

/// `create oauth2-client`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  claviger create client -e http://127.0.0.1:4445 --grant-type client_credentials
  claviger create client --id my-app --name 'My app' --grant-type authorization_code,refresh_token \\
      --response-type code --scope openid,offline --redirect-uri http://127.0.0.1:4446/callback
  claviger create client --file client.json --format json")]
pub(crate) struct Create {
    /// The client's id; without it the server chooses one
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    #[command(flatten)]
    fields: Fields,
}

/// `update oauth2-client`.
#[derive(Args, Debug)]
#[command(
    after_help = "What is not given goes back to its default: start from `claviger get client ID --format json`."
)]
pub(crate) struct Update {
    id: String,

    #[command(flatten)]
    fields: Fields,
}

/// `get oauth2-client` and `delete oauth2-client`.
#[derive(Args, Debug)]
pub(crate) struct Ids {
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

/// `list oauth2-clients`.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Clients on a page
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    page_size: u32,

    /// The NEXT PAGE TOKEN of the page before
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,
}

/// `import oauth2-client`.
#[derive(Args, Debug)]
#[command(after_help = "Each file is a JSON array of clients. Without a file the array is read from standard input.")]
pub(crate) struct Import {
    #[arg(value_name = "FILE")]
    files: Vec<String>,
}

/// What a client can be created or replaced with. Lists may be separated by commas or given by repeating the flag.
#[derive(Args, Debug)]
struct Fields {
    /// JSON file with the client, instead of the flags below; - is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<String>,

    /// Anything of yours, as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    metadata: String,

    /// Who the client belongs to
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,

    /// People responsible for the client
    #[arg(long, value_name = "CONTACT", value_delimiter = ',')]
    contact: Vec<String>,

    /// URLs that request objects may be fetched from
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    request_uri: Vec<String>,

    /// Algorithm that request objects are signed with
    #[arg(long, value_name = "ALG", default_value = "RS256")]
    request_object_signing_alg: String,

    /// Where clients that share pairwise subjects are listed
    #[arg(long, value_name = "URL")]
    sector_identifier_uri: Option<String>,

    /// Redirect URIs
    #[arg(long, value_name = "URI", value_delimiter = ',')]
    redirect_uri: Vec<String>,

    /// Grant types the client may use
    #[arg(
        long,
        value_name = "TYPE",
        value_delimiter = ',',
        default_value = "authorization_code"
    )]
    grant_type: Vec<String>,

    /// Response types the client may use
    #[arg(long, value_name = "TYPE", value_delimiter = ',', default_value = "code")]
    response_type: Vec<String>,

    /// Scopes the client may ask for
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
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
    allowed_cors_origin: Vec<String>,

    /// Subjects the client sees: public or pairwise
    #[arg(long, value_name = "TYPE", default_value = "public")]
    subject_type: String,

    /// The client's secret; without it the server makes one
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,

    /// The client's name, as people read it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Where a person may be sent after logout
    #[arg(long, value_name = "URI", value_delimiter = ',')]
    post_logout_callback: Vec<String>,

    /// Never ask for consent
    #[arg(long)]
    skip_consent: bool,

    /// Never ask before logout
    #[arg(long)]
    skip_logout_consent: bool,

    /// Form of access tokens: opaque or jwt
    #[arg(long, value_name = "STRATEGY")]
    access_token_strategy: Option<String>,

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
}

impl Fields {
    /// The client as the API takes it, from the file or from the flags.
    fn client(&self, id: Option<&str>, terminal: &mut Terminal) -> Result<Value, Failure> {
        let Some(path) = &self.file else {
            return self.described(id);
        };
        let expected = "the JSON object of one client";
        let mut client = match path.as_str() {
            "-" => files::parse("standard input", &terminal.read_input()?, expected, Value::is_object)?,
            path => files::json(path, expected, Value::is_object)?,
        };
        if let Value::Object(members) = &mut client {
            // A file is a description and may serve for many clients, so an id in it is not an order.
            let named = members.remove("client_id").filter(|_| id.is_none());
            if let Some(named) = named.as_ref().and_then(Value::as_str).filter(|named| !named.is_empty()) {
                terminal.explain(&format!(
                    "The client_id {named:?} of the file is not used; --id {named} would set it"
                ));
            }
            members.extend(id.map(|id| ("client_id".to_owned(), id.into())));
        }
        Ok(client)
    }

    fn described(&self, id: Option<&str>) -> Result<Value, Failure> {
        let metadata: Value = serde_json::from_str(&self.metadata).map_err(|error| {
            Failure::input(format!(
                "--metadata is not JSON: {error}. Example: --metadata '{{\"a\":1}}'"
            ))
        })?;
        let client = json!({
            "access_token_strategy": self.access_token_strategy,
            "allowed_cors_origins": self.allowed_cors_origin,
            "audience": self.audience,
            "backchannel_logout_session_required": self.backchannel_logout_session_required,
            "backchannel_logout_uri": self.backchannel_logout_callback,
            "client_id": id,
            "client_name": self.name,
            "client_secret": self.secret,
            "client_uri": self.client_uri,
            "contacts": self.contact,
            "frontchannel_logout_session_required": self.frontchannel_logout_session_required,
            "frontchannel_logout_uri": self.frontchannel_logout_callback,
            "grant_types": self.grant_type,
            "jwks_uri": self.jwks_uri,
            "logo_uri": self.logo_uri,
            "metadata": metadata,
            "owner": self.owner,
            "policy_uri": self.policy_uri,
            "post_logout_redirect_uris": self.post_logout_callback,
            "redirect_uris": self.redirect_uri,
            "request_object_signing_alg": self.request_object_signing_alg,
            "request_uris": self.request_uri,
            "response_types": self.response_type,
            "scope": Some(self.scope.join(" ")).filter(|scope| !scope.is_empty()),
            "sector_identifier_uri": self.sector_identifier_uri,
            "skip_consent": self.skip_consent,
            "skip_logout_consent": self.skip_logout_consent,
            "subject_type": self.subject_type,
            "token_endpoint_auth_method": self.token_endpoint_auth_method,
            "tos_uri": self.tos_uri,
        });
        Ok(prune(client, true))
    }
}

impl Create {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let client = self.fields.client(self.id.as_deref(), terminal)?;
        let call = Call::new(Method::POST, admin_path(&api, "/clients")).json(client);
        remote.print(terminal, &one(api.send(call).await?.json()?))
    }
}

impl Update {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        // The path names the client; an id in the file must not name another one.
        let id = self.fields.file.as_ref().map(|_| self.id.as_str());
        let client = self.fields.client(id, terminal)?;
        let path = admin_path(&api, &format!("/clients/{}", segment(&self.id)));
        remote.print(
            terminal,
            &one(api.send(Call::new(Method::PUT, path).json(client)).await?.json()?),
        )
    }
}

impl Ids {
    pub(super) async fn get(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let mut clients = Vec::new();
        for id in &self.ids {
            let path = admin_path(&api, &format!("/clients/{}", segment(id)));
            clients.push(api.send(Call::new(Method::GET, path)).await?.json()?);
        }
        remote.print(terminal, &some(clients))
    }

    pub(super) async fn delete(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        delete_each(&self.ids, "/clients", remote, terminal).await
    }
}

/// Deletes all that can be deleted, and says of each that could not why.
pub(super) async fn delete_each(
    ids: &[String],
    collection: &str,
    remote: &Remote,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let api = remote.api(terminal)?;
    let mut deleted = Vec::new();
    for id in ids {
        let path = admin_path(&api, &format!("{collection}/{}", segment(id)));
        match api.send(Call::new(Method::DELETE, path)).await?.done() {
            Ok(()) => deleted.push(id.clone()),
            Err(failure) => terminal.explain(&format!("{id}: {failure}")),
        }
    }
    let failed = ids.len() - deleted.len();
    if !deleted.is_empty() {
        remote.print(terminal, &ids_report(deleted))?;
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::Partly {
            failed,
            total: ids.len(),
        })
    }
}

impl List {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let size = self.page_size.to_string();
        let query = query(&[("page_size", &size), ("page_token", &self.page_token)]);
        let answer = api
            .send(Call::new(Method::GET, admin_path(&api, &format!("/clients{query}"))))
            .await?;
        let next = answer.next_page_token().unwrap_or_default();
        let clients = answer.json()?.as_array().cloned().unwrap_or_default();
        remote.print(terminal, &page(clients, next))
    }
}

impl Import {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let (mut imported, mut total) = (Vec::new(), 0);
        for client in self.clients(terminal)? {
            total += 1;
            let call = Call::new(Method::POST, admin_path(&api, "/clients")).json(client.clone());
            match api.send(call).await?.json() {
                Ok(client) => imported.push(client),
                Err(failure) => terminal.explain(&format!("{}: {failure}", text(&client, "client_id"))),
            }
        }
        let failed = total - imported.len();
        remote.print(terminal, &some(imported))?;
        if failed == 0 {
            Ok(())
        } else {
            Err(Failure::Partly { failed, total })
        }
    }

    /// Everything is read before anything is sent.
    fn clients(&self, terminal: &mut Terminal) -> Result<Vec<Value>, Failure> {
        let expected = "a JSON array of clients, as in [{\"client_id\": \"a\"}, {\"client_id\": \"b\"}]";
        let arrays = if self.files.is_empty() {
            terminal.explain("Reading clients from standard input, as no file is named.");
            let input = terminal.read_input()?;
            if input.is_empty() {
                return Ok(Vec::new());
            }
            vec![files::parse("standard input", &input, expected, Value::is_array)?]
        } else {
            let read = |path: &String| files::json(path, expected, Value::is_array);
            self.files.iter().map(read).collect::<Result<Vec<_>, _>>()?
        };
        Ok(arrays
            .into_iter()
            .filter_map(|array| array.as_array().cloned())
            .flatten()
            .collect())
    }
}

fn row(client: &Value) -> Vec<String> {
    vec![
        text(client, "client_id"),
        text(client, "client_secret"),
        list(client, "grant_types").join(", "),
        list(client, "response_types").join(", "),
        text(client, "scope"),
        list(client, "audience").join(","),
        list(client, "redirect_uris").join(", "),
    ]
}

fn one(client: Value) -> Report {
    Report {
        header: &HEADER,
        layout: Layout::Record(row(&client)),
        ids: vec![text(&client, "client_id")],
        document: Document::Plain(prune(client, true)),
    }
}

/// One client is printed as itself, several as a list.
fn some(clients: Vec<Value>) -> Report {
    match <[Value; 1]>::try_from(clients) {
        Ok([client]) => one(client),
        Err(clients) => Report {
            header: &HEADER,
            layout: Layout::Table(clients.iter().map(row).collect()),
            ids: clients.iter().map(|client| text(client, "client_id")).collect(),
            document: Document::Plain(clients.into_iter().map(|client| prune(client, false)).collect()),
        },
    }
}

fn page(clients: Vec<Value>, next: String) -> Report {
    let is_last = next.is_empty();
    let mut rows: Vec<_> = clients.iter().map(row).collect();
    rows.push(vec![String::new()]);
    rows.push(vec!["NEXT PAGE TOKEN".to_owned(), next.clone()]);
    rows.push(vec!["IS LAST PAGE".to_owned(), is_last.to_string()]);
    let ids = clients.iter().map(|client| text(client, "client_id")).collect();
    let items = clients.into_iter().map(|client| prune(client, false)).collect();
    let document = Document::Ordered(vec![
        ("items", items),
        ("next_page_token", next.into()),
        ("is_last_page", is_last.into()),
    ]);
    Report {
        header: &HEADER,
        layout: Layout::Table(rows),
        ids,
        document,
    }
}
