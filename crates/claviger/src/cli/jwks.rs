//! JSON Web Key sets in the command tree of Hydra v2: `create|get|delete|import jwk`.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::api::{Call, segment};
use super::failure::Failure;
use super::key_file;
use super::oauth2_clients::delete_each;
use super::output::{Document, Layout, Report, prune, text};
use super::remote::{Remote, admin_path};
use super::terminal::Terminal;

const HEADER: [&str; 4] = ["SET ID", "KEY ID", "ALGORITHM", "USE"];

/// Members that only the owner of a key may see (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// `create jwk`.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  claviger create jwk my-set my-key --alg ES256 -e http://127.0.0.1:4445 --format json")]
pub(crate) struct Create {
    set: String,

    /// The key's id; without it the server chooses one
    key: Option<String>,

    /// Algorithm: RS256, ES256, ES512 or EdDSA
    #[arg(long, value_name = "ALG", default_value = "RS256")]
    alg: String,

    /// What the key is for: sig or enc
    #[arg(long = "use", value_name = "USE", default_value = "sig")]
    purpose: String,

    /// Print public members only
    #[arg(long)]
    public: bool,
}

/// `get jwk`.
#[derive(Args, Debug)]
pub(crate) struct Get {
    #[arg(value_name = "SET", required = true)]
    sets: Vec<String>,

    /// Print public members only
    #[arg(long)]
    public: bool,
}

/// `delete jwk`.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    #[arg(value_name = "SET", required = true)]
    sets: Vec<String>,
}

/// `import jwk`.
#[derive(Args, Debug)]
#[command(after_help = "A file holds a JWK, a JWK set, PEM or DER. Without a file, standard input is read.")]
pub(crate) struct Import {
    set: String,

    #[arg(value_name = "FILE")]
    files: Vec<String>,

    /// What keys are for that do not say it themselves: sig or enc
    #[arg(long = "use", value_name = "USE", default_value = "sig")]
    purpose: String,

    /// Algorithm of keys that do not say it themselves, as those in PEM files
    #[arg(long, value_name = "ALG")]
    alg: Option<String>,
}

impl Create {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let wanted = json!({ "alg": self.alg, "kid": self.key.as_deref().unwrap_or_default(), "use": self.purpose });
        let path = admin_path(&api, &format!("/keys/{}", segment(&self.set)));
        let set = api.send(Call::new(Method::POST, path).json(wanted)).await?.json()?;
        remote.print(terminal, &report(&self.set, keys(&set, self.public)))
    }
}

impl Get {
    /// A single key is printed as itself; the keys of several sets are printed as one, which has no id.
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let mut found = Vec::new();
        for set in &self.sets {
            let path = admin_path(&api, &format!("/keys/{}", segment(set)));
            found.extend(keys(
                &api.send(Call::new(Method::GET, path)).await?.json()?,
                self.public,
            ));
        }
        let mut report = report("", found.clone());
        if let Ok([key]) = <[Value; 1]>::try_from(found) {
            report.layout = Layout::Record(row("", &key));
            report.document = Document::Plain(key);
        }
        remote.print(terminal, &report)
    }
}

impl Delete {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        delete_each(&self.sets, "/keys", remote, terminal).await
    }
}

impl Import {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = remote.api(terminal)?;
        let mut imported = Vec::new();
        for key in self.keys(terminal)? {
            let set = segment(&self.set);
            let path = admin_path(&api, &format!("/keys/{set}/{}", segment(&text(&key, "kid"))));
            imported.push(api.send(Call::new(Method::PUT, path).json(key)).await?.json()?);
        }
        remote.print(terminal, &report(&self.set, imported))
    }

    /// Everything is read before anything is sent.
    fn keys(&self, terminal: &mut Terminal) -> Result<Vec<Value>, Failure> {
        let mut keys = Vec::new();
        if self.files.is_empty() {
            keys = key_file::parse("standard input", &terminal.read_input()?)?;
        }
        for file in &self.files {
            keys.extend(key_file::read(file)?);
        }
        keys.into_iter().map(|key| self.completed(key)).collect()
    }

    fn completed(&self, key: Value) -> Result<Value, Failure> {
        let mut key = key;
        if let Value::Object(members) = &mut key {
            members
                .entry("kid")
                .or_insert_with(|| uuid::Uuid::new_v4().to_string().into());
            members.entry("use").or_insert_with(|| self.purpose.as_str().into());
            if let (None, Some(alg)) = (members.get("alg"), &self.alg) {
                members.insert("alg".to_owned(), alg.as_str().into());
            }
        }
        if key.get("alg").is_some() {
            return Ok(key);
        }
        Err(Failure::input(
            "The key does not say its algorithm. Pass --alg, for example --alg ES256",
        ))
    }
}

fn keys(set: &Value, public: bool) -> Vec<Value> {
    let keys = set.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
    let shown = |key: Value| {
        let mut key = prune(key, true);
        if let (true, Value::Object(members)) = (public, &mut key) {
            members.retain(|name, _| !PRIVATE.contains(&name.as_str()));
        }
        key
    };
    keys.into_iter().map(shown).collect()
}

fn row(set: &str, key: &Value) -> Vec<String> {
    vec![set.to_owned(), text(key, "kid"), text(key, "alg"), text(key, "use")]
}

fn report(set: &str, keys: Vec<Value>) -> Report {
    // Three columns without a name follow, which cut(1) scripts may count on.
    let wide = |key: &Value| row(set, key).into_iter().chain([const { String::new() }; 3]).collect();
    Report {
        header: &HEADER,
        layout: Layout::Table(keys.iter().map(wide).collect()),
        ids: keys.iter().map(|key| text(key, "kid")).collect(),
        document: Document::Ordered(vec![("set", set.into()), ("keys", keys.into())]),
    }
}
