//! `keys …`: JSON Web Key sets, in the command tree of Hydra v1.

use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::api::{Api, Call, segment};
use super::clients::warn_of_surplus;
use super::failure::Failure;
use super::key_file;
use super::output::tab_indented;
use super::remote::{AdminAddress, Connection};
use super::terminal::Terminal;

/// The group with its connection flags.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  claviger keys create my-set my-key --alg ES256 --endpoint http://127.0.0.1:4445
  claviger keys get my-set
  claviger keys import my-set private.pem --default-key-id my-key")]
pub(crate) struct Keys {
    #[command(flatten)]
    address: AdminAddress,

    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Create a key in a set, and the set if it does not exist
    Create(Create),
    /// Show a set as JSON, private members included
    Get {
        set: String,
        #[arg(hide = true)]
        surplus: Vec<String>,
    },
    /// Delete a set with all its keys
    Delete {
        set: String,
        #[arg(hide = true)]
        surplus: Vec<String>,
    },
    /// Add keys from files (JWK, JWK set, PEM or DER) to a set
    Import(Import),
}

#[derive(Args, Debug)]
struct Create {
    set: String,

    /// The key's id; without it the server chooses one
    key: Option<String>,

    /// Algorithm: RS256, ES256, ES512, EdDSA or HS256
    #[arg(short, long, value_name = "ALG", default_value = "RS256")]
    alg: String,

    /// What the key is for: sig or enc
    #[arg(short = 'u', long = "use", value_name = "USE", default_value = "sig")]
    purpose: String,

    #[arg(hide = true)]
    surplus: Vec<String>,
}

#[derive(Args, Debug)]
struct Import {
    set: String,

    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,

    /// What keys are for that do not say it themselves: sig or enc
    #[arg(long = "use", value_name = "USE", default_value = "sig")]
    purpose: String,

    /// Id of a key that has none; without it a random one
    #[arg(long, value_name = "ID")]
    default_key_id: Option<String>,
}

impl Keys {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = self.connection.admin(&self.address, terminal)?;
        match &self.command {
            Command::Create(arguments) => arguments.run(&api, terminal).await,
            Command::Get { set, surplus } => {
                warn_of_surplus(surplus, terminal);
                get(&api, set, terminal).await
            }
            Command::Delete { set, surplus } => {
                warn_of_surplus(surplus, terminal);
                api.send(Call::new(Method::DELETE, path(set))).await?.done()?;
                terminal.print(&format!("JSON Web Key Set deleted: {set}\n"))
            }
            Command::Import(arguments) => arguments.run(&api, terminal).await,
        }
    }
}

fn path(set: &str) -> String {
    format!("/keys/{}", segment(set))
}

impl Create {
    async fn run(&self, api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
        warn_of_surplus(&self.surplus, terminal);
        let kid = self.key.as_deref().unwrap_or_default();
        let wanted = json!({ "alg": self.alg, "kid": kid, "use": self.purpose });
        let set = api
            .send(Call::new(Method::POST, path(&self.set)).json(wanted))
            .await?
            .json()?;
        terminal.print(&tab_indented(&with_nulls(set)))
    }
}

async fn get(api: &Api, set: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let set = api.send(Call::new(Method::GET, path(set))).await?.json()?;
    // The older command printed its HTTP library's wrapper, and scripts look for the keys inside it.
    terminal.print(&tab_indented(&json!({ "Payload": with_nulls(set) })))
}

/// The older commands print `alg` and `x5c` of every key, `null` where it has none.
fn with_nulls(set: Value) -> Value {
    let mut set = set;
    for key in set.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten() {
        for name in ["alg", "x5c"] {
            if let Value::Object(members) = key {
                members.entry(name).or_insert(Value::Null);
            }
        }
    }
    set
}

impl Import {
    /// The set is replaced as a whole, so what is in it already is sent along.
    async fn run(&self, api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
        let current = api.send(Call::new(Method::GET, path(&self.set))).await?;
        let mut keys = match current.status() {
            StatusCode::NOT_FOUND => Vec::new(),
            _ => current
                .json()?
                .get("keys")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
        };
        let mut loaded = String::new();
        for file in &self.files {
            for key in key_file::read(file)? {
                let key = self.named(key);
                keys.retain(|other| other.get("kid") != key.get("kid"));
                keys.push(key);
            }
            loaded.push_str(&format!("Successfully loaded key from file: {file}\n"));
        }
        terminal.print(&loaded)?;
        api.send(Call::new(Method::PUT, path(&self.set)).json(json!({ "keys": keys })))
            .await?
            .json()?;
        terminal.print("JSON Web Key Set successfully imported!\n")
    }

    /// Private and public halves are told apart by a prefix of the id, as the older server does.
    fn named(&self, key: Value) -> Value {
        let mut key = key;
        let half = if key_file::is_private(&key) {
            "private"
        } else {
            "public"
        };
        let id = self
            .default_key_id
            .clone()
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        if let Value::Object(members) = &mut key {
            members.entry("kid").or_insert_with(|| format!("{half}:{id}").into());
            members.entry("use").or_insert_with(|| self.purpose.as_str().into());
        }
        key
    }
}
