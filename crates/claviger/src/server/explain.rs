//! `explain`: what something means that a person met, in a log, on a page or in a URL.
//!
//! Errors and request ids need nothing. Tokens, codes and challenges are recognized by the secrets of the configuration, and
//! looked up in its database if there is one. What is told is the kind, the client, times and what became of it: no secret, no
//! person, no claim.

mod token;

use std::sync::Arc;

use claviger_core::context::{Id, Timestamp};
use claviger_core::fault::Fault;
use claviger_core::flow::describe::{Described, describe};
use claviger_core::port::{FlowStep, Freshness};
use claviger_store::Database;
use serde_json::{Value, json};

use crate::cli::Terminal;
use crate::cli::failure::Failure;
use crate::cli::output::{Document, Format, Layout, Report};
use crate::cli::secret::Secret;
use crate::config::{self, Dsn, Settings, Sources};
use crate::edge::request_id::RequestId;
use crate::provider::{Provider, Shared};
use crate::server::jobs::JobError;
use crate::server::{database, serve};

/// What the person asks.
pub(crate) struct Question {
    /// The text that is to be explained.
    pub(crate) what: Secret,
    /// The configuration of the server, for what needs its secrets.
    pub(crate) sources: Sources,
    /// Whether to leave the database alone.
    pub(crate) offline: bool,
    /// How to print.
    pub(crate) format: Format,
}

/// Lines of an answer: what is told, and the words.
#[derive(Debug, Default)]
struct Told(Vec<(&'static str, String)>);

impl Told {
    fn of(what: impl Into<String>) -> Self {
        Self::default().and("it is", what)
    }

    fn and(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.0.push((name, text.into()));
        self
    }
}

/// `explain`.
pub(crate) fn explain(question: Question, terminal: &mut Terminal) -> Result<(), Failure> {
    let what = question.what.expose().trim();
    let answers = match offline(what) {
        answers if answers.is_empty() => vec![with_secrets(&question, what)?],
        answers => answers,
    };
    terminal.print(&rendered(&answers, &question.format)?)
}

/// What needs no configuration.
fn offline(what: &str) -> Vec<Told> {
    let code = what.strip_prefix("error=").unwrap_or(what);
    let is_meant = |fault: &&Fault| fault.name().eq_ignore_ascii_case(code) || fault.code().as_str() == code;
    let faults: Vec<_> = Fault::ALL
        .iter()
        .filter(is_meant)
        .map(|fault| refusal(*fault))
        .collect();
    if !faults.is_empty() {
        return faults;
    }
    RequestId::parse(what).map(request).into_iter().collect()
}

fn refusal(fault: Fault) -> Told {
    let told = Told::of(format!("the refusal {}", fault.name()))
        .and("error", fault.code().as_str())
        .and("status", fault.code().status().to_string())
        .and("means", fault.description());
    match fault.rule() {
        "-" => told.and("asked for by", "this program's API"),
        rule => told.and("asked for by", rule),
    }
}

fn request(id: RequestId) -> Told {
    Told::of("the id of a request, from the header X-Request-Id or an error page")
        .and(
            "began",
            time(Timestamp(i64::try_from(id.millis() / 1000).unwrap_or(i64::MAX))),
        )
        .and(
            "find",
            format!("the line with request_id={id} in the log of the server; it names the refusal"),
        )
}

/// What only the server's secrets open.
fn with_secrets(question: &Question, what: &str) -> Result<Told, Failure> {
    let settings = config::load(question.sources.clone()).map_err(JobError::from)?;
    if settings.system_secrets.is_empty() {
        return Err(Failure::input(
            "This is no error and no request id. Whether it is a token or a challenge shows only with the server's secrets:\n\
             pass its configuration with -c, or set SECRETS_SYSTEM",
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(JobError::System)?;
    runtime.block_on(async {
        let (database, is_theirs) = open(&settings, question.offline).await?;
        let answer = match serve::provider(&settings, &database) {
            Ok(provider) => recognized(&provider, what, is_theirs).await,
            Err(error) => Err(Failure::input(error.to_string())),
        };
        database.close().await;
        answer
    })
}

/// The server's database; otherwise an empty one, in which nothing is looked up.
async fn open(settings: &Settings, offline: bool) -> Result<(Arc<Database>, bool), Failure> {
    let dsn = settings.dsn().ok().filter(|_| !offline);
    let dsn = dsn.filter(|dsn| !matches!(dsn, Dsn::Sqlite { path } if !path.exists()));
    let opened = database::open(dsn.unwrap_or(&Dsn::Memory))
        .await
        .map_err(JobError::from)?;
    Ok((Arc::new(opened), dsn.is_some_and(|dsn| *dsn != Dsn::Memory)))
}

async fn recognized(provider: &Shared, what: &str, is_theirs: bool) -> Result<Told, Failure> {
    if let Some(described) = describe(&provider.cx(), what) {
        return challenge(provider, described, is_theirs).await;
    }
    if let Some(told) = token::recognized(provider, what, is_theirs).await? {
        return Ok(told);
    }
    Err(Failure::input(
        "It is nothing of this server: no error, no request id, and neither a token, a code nor a challenge made under its secrets.\n\
         Check that it is complete, and that the configuration is that of the server which made it",
    ))
}

async fn challenge(provider: &Provider, described: Described, is_theirs: bool) -> Result<Told, Failure> {
    let began = Timestamp(i64::try_from(described.flow.millis() / 1000).unwrap_or(i64::MAX));
    let ends = began.plus(provider.policy.challenge_life);
    let mut told = Told::of(format!("a {} of this server", described.kind))
        .and("flow", described.flow.to_string())
        .and("began", time(began))
        .and("ends", time(ends));
    if let Some(client) = described.client {
        told = told.and("client", client);
    }
    if provider.cx().now >= ends {
        return Ok(told.and(
            "state",
            "expired: whoever follows it is sent back to the application to start again",
        ));
    }
    if !described.has_row {
        return Ok(told.and("state", "open, unless it was answered"));
    }
    Ok(told.and("state", flow_state(provider, described.flow, is_theirs).await?))
}

async fn flow_state(provider: &Provider, flow: Id, is_theirs: bool) -> Result<&'static str, Failure> {
    if !is_theirs {
        return Ok("not looked up: the database was not asked");
    }
    let row = provider
        .store
        .flow(flow, Freshness::Latest)
        .await
        .map_err(JobError::from)?;
    Ok(match row.map(|row| row.step) {
        None => "open: the login app has not answered yet",
        Some(FlowStep::LoginAnswered) => {
            "the login app has answered; the browser has not come back with the login_verifier"
        }
        Some(FlowStep::ConsentAsked) => "the person is at the consent app, which has not answered yet",
        Some(FlowStep::ConsentAnswered) => {
            "the consent app has answered; the browser has not come back with the consent_verifier"
        }
        Some(FlowStep::Done) => "done: the client has its answer, and the challenge cannot be used again",
    })
}

/// For people and programs alike: RFC 3339.
fn time(at: Timestamp) -> String {
    if at == Timestamp::NEVER {
        return "never".to_owned();
    }
    jiff::Timestamp::from_second(at.0).map_or_else(|_| at.0.to_string(), |time| time.to_string())
}

fn rendered(answers: &[Told], format: &Format) -> Result<String, Failure> {
    if *format == Format::Table {
        let lines = |told: &Told| -> String {
            told.0
                .iter()
                .map(|(name, text)| format!("{name:13} {text}\n"))
                .collect()
        };
        return Ok(answers.iter().map(lines).collect::<Vec<_>>().join("\n"));
    }
    let member = |told: &Told| -> Value {
        told.0
            .iter()
            .map(|(name, text)| (name.replace(' ', "_"), json!(text)))
            .collect()
    };
    let document = match answers {
        [one] => member(one),
        several => several.iter().map(member).collect(),
    };
    let report = Report {
        header: &[],
        layout: Layout::Table(Vec::new()),
        ids: Vec::new(),
        document: Document::Plain(document),
    };
    report.render(format, false)
}

#[cfg(test)]
mod tests;
