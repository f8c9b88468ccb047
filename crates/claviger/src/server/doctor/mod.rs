//! `doctor`: looks at everything that a server depends on, from the configuration to what a client on the network sees, and
//! says what to do.
//!
//! It changes nothing: no database is made, no key, no table.

mod certificate;
mod database;
mod network;
mod settings;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::authorities;
use crate::cli::Terminal;
use crate::cli::failure::Failure;
use crate::cli::output::{Document, Format, Layout, Report};
use crate::config::{self, Purpose, Settings, Sources};
use crate::server::jobs::JobError;
use crate::server::one_line;

/// How long the database, and each request, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the person asked for.
pub(crate) struct Examination {
    /// The configuration of a server.
    pub(crate) sources: Sources,
    /// Leave out what needs the network.
    pub(crate) offline: bool,
    /// Authorities to trust besides the public ones.
    pub(crate) tls_ca: Option<PathBuf>,
    /// How to print.
    pub(crate) format: Format,
    /// Print nothing but what is not in order.
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One line of the result.
#[derive(Debug)]
struct Finding {
    verdict: Verdict,
    check: &'static str,
    found: String,
    /// What to do; empty where nothing is.
    advice: String,
}

/// Everything that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(Verdict::Ok, check, found, "");
    }

    fn warn(&mut self, check: &'static str, found: impl Into<String>, advice: impl Into<String>) {
        self.add(Verdict::Warn, check, found, advice);
    }

    fn fail(&mut self, check: &'static str, found: impl Into<String>, advice: impl Into<String>) {
        self.add(Verdict::Fail, check, found, advice);
    }

    fn add(&mut self, verdict: Verdict, check: &'static str, found: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding {
            verdict,
            check,
            found: found.into(),
            advice: advice.into(),
        });
    }

    fn failed(&self) -> usize {
        self.0.iter().filter(|finding| finding.verdict == Verdict::Fail).count()
    }
}

/// `doctor`.
pub(crate) fn doctor(examination: Examination, terminal: &mut Terminal) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(JobError::System)?;
    let Examination {
        sources,
        offline,
        tls_ca,
        format,
        quiet,
    } = examination;
    let eyes = network::Eyes::trusting(authorities::trusted(tls_ca.as_deref()).map_err(Failure::input)?)?;
    let findings = runtime.block_on(examine(sources, (!offline).then_some(&eyes)));
    terminal.print(&rendered(&findings, &format, quiet)?)?;
    match findings.failed() {
        0 => Ok(()),
        failed => Err(Failure::Partly {
            failed,
            total: findings.0.len(),
        }),
    }
}

/// Without `eyes`, what needs the network is left out.
async fn examine(sources: Sources, eyes: Option<&network::Eyes>) -> Findings {
    let mut findings = Findings::default();
    let Some(settings) = load(sources, &mut findings) else {
        return findings;
    };
    settings::examine(&settings, &mut findings);
    certificate::examine(&settings, &mut findings);
    database::examine(&settings, &mut findings).await;
    if let Some(eyes) = eyes {
        eyes.examine(&settings, &mut findings).await;
    }
    findings
}

/// The settings, as far as they can be read, even where no server would start with them.
fn load(sources: Sources, findings: &mut Findings) -> Option<Settings> {
    const CHECK: &str = "configuration";
    let shown = Sources {
        purpose: Purpose::Show,
        ..sources.clone()
    };
    let settings = match config::load(shown) {
        Ok(settings) => settings,
        Err(error) => {
            findings.fail(
                CHECK,
                one_line(&error),
                "correct it; `claviger config` shows where values come from",
            );
            return None;
        }
    };
    // In development mode a start makes what is missing; to look must make nothing.
    let judged = if settings.dev {
        Ok(())
    } else {
        config::load(sources).map(drop)
    };
    match judged {
        Ok(()) => findings.ok(CHECK, "it can be read, and a server starts with it"),
        Err(error) => findings.fail(CHECK, one_line(&error), "a server does not start with it"),
    }
    for warning in &settings.warnings {
        findings.warn(CHECK, warning.clone(), "remove the setting, or do without it knowingly");
    }
    Some(settings)
}

fn rendered(findings: &Findings, format: &Format, quiet: bool) -> Result<String, Failure> {
    let shown = || {
        findings
            .0
            .iter()
            .filter(|finding| !quiet || finding.verdict != Verdict::Ok)
    };
    if *format == Format::Table {
        return Ok(shown().map(line).collect());
    }
    let member = |finding: &Finding| {
        json!({
            "verdict": finding.verdict.as_str(),
            "check": finding.check,
            "found": finding.found,
            "advice": finding.advice,
        })
    };
    let report = Report {
        header: &[],
        layout: Layout::Table(Vec::new()),
        ids: Vec::new(),
        document: Document::Plain(shown().map(member).collect::<Value>()),
    };
    report.render(format, false)
}

fn line(finding: &Finding) -> String {
    let Finding {
        verdict,
        check,
        found,
        advice,
    } = finding;
    let advice = match advice.as_str() {
        "" => String::new(),
        advice => format!("\n{:21}-> {advice}", ""),
    };
    format!("{:5} {check:14} {found}{advice}\n", verdict.as_str())
}

#[cfg(test)]
mod tests;
