//! OAuth 2.0 clients in the command tree of Hydra v2: `create|get|list|update|delete|import oauth2-client`.

mod fields;
mod import;

use clap::Args;
use http::Method;
use serde_json::Value;

use self::fields::Fields;
pub(crate) use self::import::Import;
use super::api::{Call, query, segment};
use super::failure::Failure;
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

/// `rotate oauth2-client-secret` and `delete rotated-oauth2-client-secrets`.
#[derive(Args, Debug)]
#[command(
    after_help = "The secrets before go on working. When everything uses the new one, end them:
  claviger delete rotated-client-secrets ID"
)]
pub(crate) struct Rotation {
    id: String,
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

impl Rotation {
    pub(super) async fn add(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        self.send(Method::POST, remote, terminal).await
    }

    pub(super) async fn end_older(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        self.send(Method::DELETE, remote, terminal).await
    }

    async fn send(&self, method: Method, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let path = admin_path(&api, &format!("/clients/{}/secrets/rotate", segment(&self.id)));
        remote.print(terminal, &one(api.send(Call::new(method, path)).await?.json()?))
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
