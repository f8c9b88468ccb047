//! `import oauth2-client`: from one client to many thousands, out of files.
//!
//! A file is a JSON array of clients, one client, or one client after another, as in NDJSON, or what `list clients` prints.
//! Everything is read before anything is sent, and every client that did not get in is named.

use std::cell::Cell;
use std::pin::pin;

use clap::Args;
use futures_util::stream::{self, StreamExt as _};
use http::Method;
use serde_json::Value;

use super::some;
use crate::cli::api::{Answer, Api, Call};
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::output::text;
use crate::cli::pgp::Pgp;
use crate::cli::remote::{Remote, admin_path};
use crate::cli::terminal::Terminal;

/// Requests on their way at the same time. The server needs a moment of a processor for each secret that was chosen.
const AT_ONCE: usize = 4;
/// So many are sent one after another, so that of two with one id it is the second that is refused.
const FEW: usize = 20;
/// Clients between two lines about the progress.
const STEP: usize = 500;

const EXPECTED: &str = "a JSON array of clients, as in [{\"client_id\": \"a\"}, {\"client_id\": \"b\"}], or one client after another, as \
                        in {\"client_id\": \"a\"} {\"client_id\": \"b\"}";

/// `import oauth2-client`.
#[derive(Args, Debug)]
#[command(
    after_help = "Each file is a JSON array of clients, one client, one client on each line, or what
`list clients --format json` prints, here and in Hydra. Without a file they are read from
standard input."
)]
pub(crate) struct Import {
    #[arg(value_name = "FILE")]
    files: Vec<String>,

    #[command(flatten)]
    pgp: Pgp,
}

impl Import {
    pub(in crate::cli) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        self.pgp.refuse()?;
        let api = remote.api(terminal)?;
        let clients = self.clients(terminal)?;
        let total = clients.len();
        let imported = send(&api, clients, terminal).await;
        let failed = total - imported.len();
        remote.print(terminal, &some(imported))?;
        if failed == 0 {
            Ok(())
        } else {
            Err(Failure::Partly { failed, total })
        }
    }

    fn clients(&self, terminal: &mut Terminal) -> Result<Vec<Value>, Failure> {
        if self.files.is_empty() {
            terminal.explain("Reading clients from standard input, as no file is named.");
            return read("standard input", &terminal.read_input()?);
        }
        let mut clients = Vec::new();
        for path in &self.files {
            clients.extend(read(path, &files::bytes(path)?)?);
        }
        Ok(clients)
    }
}

/// The clients in `bytes`.
fn read(origin: &str, bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    let mut clients = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter() {
        match value {
            Ok(Value::Array(members)) => clients.extend(members),
            Ok(value) => clients.extend(listed(value)),
            Err(error) => {
                let reason = format!("{origin} is not JSON: {error}. Expected is {EXPECTED}");
                return Err(Failure::input(reason));
            }
        }
    }
    match clients.iter().position(|client| !client.is_object()) {
        None => Ok(clients),
        Some(index) => Err(Failure::input(format!(
            "Value {} in {origin} is no client, so nothing was sent. Expected is {EXPECTED}",
            index + 1
        ))),
    }
}

/// The clients of a list as `list clients --format json` prints it, here and in Hydra; anything else stays what it is.
fn listed(mut value: Value) -> Vec<Value> {
    let is_list = value.get("items").is_some_and(Value::is_array) && value.get("is_last_page").is_some();
    if !is_list {
        return vec![value];
    }
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(members)) => members,
        _ => Vec::new(),
    }
}

/// Sends every client and says which one failed. Once the server is not reached, the rest is not tried.
async fn send(api: &Api, clients: Vec<Value>, terminal: &mut Terminal) -> Vec<Value> {
    let total = clients.len();
    let path = admin_path(api, "/clients");
    let is_lost = Cell::new(false);
    let create = |(index, client): (usize, Value)| {
        let (path, is_lost) = (path.clone(), &is_lost);
        async move {
            if is_lost.get() {
                return None;
            }
            let name = match text(&client, "client_id") {
                id if id.is_empty() => format!("client {} without an id", index + 1),
                id => id,
            };
            let answer = api.send(Call::new(Method::POST, path).json(client)).await;
            is_lost.set(is_lost.get() || answer.is_err());
            Some(answer.and_then(Answer::json).map_err(|failure| (name, failure)))
        }
    };
    let at_once = if total > FEW { AT_ONCE } else { 1 };
    let mut answers = pin!(
        stream::iter(clients.into_iter().enumerate())
            .map(create)
            .buffered(at_once)
    );
    let (mut imported, mut done, mut unsent) = (Vec::new(), 0, 0);
    while let Some(answer) = answers.next().await {
        match answer {
            Some(Ok(client)) => imported.push(client),
            Some(Err((name, failure))) => terminal.explain(&format!("{name}: {failure}")),
            None => {
                unsent += 1;
                continue;
            }
        }
        done += 1;
        if done % STEP == 0 {
            terminal.explain(&format!("{done} of {total} clients are done"));
        }
    }
    if unsent > 0 {
        terminal.explain(&format!(
            "{unsent} clients were not sent. Those that are printed below exist now: leave them out when you import again"
        ));
    }
    imported
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Result<Vec<String>, Failure> {
        let clients = read("clients.json", text.as_bytes())?;
        Ok(clients.iter().map(|client| super::text(client, "client_id")).collect())
    }

    #[test]
    fn an_array_one_object_and_objects_on_lines_are_clients() {
        for (text, expected) in [
            ("", vec![]),
            ("[]", vec![]),
            (r#"[{"client_id":"a"},{"client_id":"b"}]"#, vec!["a", "b"]),
            (r#"{"client_id":"a"}"#, vec!["a"]),
            ("{\"client_id\":\"a\"}\n{\"client_id\":\"b\"}\r\n\n", vec!["a", "b"]),
            ("[{\"client_id\":\"a\"}]\n[{\"client_id\":\"b\"}]", vec!["a", "b"]),
            (
                r#"{"items":[{"client_id":"a"},{"client_id":"b"}],"next_page_token":"","is_last_page":true}"#,
                vec!["a", "b"],
            ),
            (r#"{"items":[],"next_page_token":"","is_last_page":true}"#, vec![]),
        ] {
            assert_eq!(ids(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_client_is_refused_before_anything_is_sent() {
        for (text, told) in [
            ("{\"client_id\":\"a\"}\n7", "Value 2 in clients.json"),
            ("[[{}]]", "Value 1 in clients.json"),
            ("{\"client_id\":\"a\"}\n{\"client_id\":", "clients.json is not JSON"),
        ] {
            let failure = ids(text).unwrap_err().to_string();
            assert!(failure.contains(told), "{failure}");
        }
    }
}
