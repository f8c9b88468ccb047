//! How soon a server is ready after its start, how long its first request takes, and what it needs when it has nothing to do.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;

use crate::client::Client;
use crate::driver::as_f64;
use crate::http::{Call, Failure, Link};
use crate::process::{self, ProcessError};
use crate::results::{Startup, mebibytes, median};
use crate::stock::Place;

/// How often the server is started; the medians are reported.
const STARTS: usize = 5;

/// The longest time to wait for a start or an end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Between two questions whether the server is ready: this is how exact the time is.
const PAUSE: Duration = Duration::from_micros(500);

/// How long the server has nothing to do before its memory is read.
const IDLE: Duration = Duration::from_secs(1);

/// How long its wake-ups are counted after that.
const COUNTED: Duration = Duration::from_secs(10);

/// Why a start could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartupError {
    #[error("{program:?} could not be run ({source}): correct the command behind --")]
    Run { program: String, source: std::io::Error },
    #[error("{program:?} was not ready on {origin} within {} s: run it by hand and read what it says", PATIENCE.as_secs())]
    NotReady { program: String, origin: String },
    #[error("{program:?} did not end within {} s after SIGTERM", PATIENCE.as_secs())]
    NotEnded { program: String },
    #[error("the first request after the start failed: {0}")]
    First(#[from] Failure),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Starts `command` several times, one after the other.
pub(crate) async fn measure(place: &Place, command: &[String]) -> Result<Startup, StartupError> {
    let mut starts = Vec::new();
    // The client is registered by a start that does not count.
    let mut client = None;
    for _ in 0..=STARTS {
        let begin = Instant::now();
        let mut child = spawn(command)?;
        let seen = observe(place, child.id(), begin, &mut client).await;
        let ended = end(&mut child).await.map_err(|source| unable(command, source))?;
        let program = || command.first().cloned().unwrap_or_default();
        match seen? {
            Seen::Started(startup) => starts.push(startup),
            Seen::Registered => {}
            Seen::NotReady => {
                return Err(StartupError::NotReady {
                    program: program(),
                    origin: place.public.to_string(),
                });
            }
        }
        if !ended {
            return Err(StartupError::NotEnded { program: program() });
        }
    }
    let middle = |value: fn(&Startup) -> f64| median(&starts.iter().map(value).collect::<Vec<_>>());
    Ok(Startup {
        ready_ms: middle(|start| start.ready_ms),
        first_ms: middle(|start| start.first_ms),
        idle_mib: middle(|start| start.idle_mib),
        wakeups: middle(|start| start.wakeups),
    })
}

fn unable(command: &[String], source: std::io::Error) -> StartupError {
    StartupError::Run {
        program: command.first().cloned().unwrap_or_default(),
        source,
    }
}

fn spawn(command: &[String]) -> Result<Child, StartupError> {
    let (program, arguments) = command
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|source| unable(command, source))
}

/// What one start was good for.
enum Seen {
    NotReady,
    /// The client that later starts use is there now.
    Registered,
    Started(Startup),
}

/// Asks until the server is ready, gets a token, lets the server rest, and reads its meters.
async fn observe(place: &Place, pid: u32, begin: Instant, client: &mut Option<Client>) -> Result<Seen, StartupError> {
    while begin.elapsed() < PATIENCE {
        let answer = Link::new(Arc::clone(&place.public))
            .send(&Call::get("/health/ready"))
            .await;
        if !answer.is_ok_and(|answer| answer.status == StatusCode::OK) {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let ready = begin.elapsed();
        let Some(client) = client else {
            let grants = json!({ "grant_types": ["client_credentials"] });
            let mut admin = Link::new(Arc::clone(&place.admin));
            *client = Some(Client::register(&mut admin, &grants).await?);
            return Ok(Seen::Registered);
        };
        let asked = Instant::now();
        let mut link = Link::new(Arc::clone(&place.public));
        link.expect(&client.own_token(), StatusCode::OK).await?;
        let first = asked.elapsed();
        drop(link);
        tokio::time::sleep(IDLE).await;
        let idle = process::memory(pid)?.resident;
        let (before, counted) = (process::wakeups(pid)?, Instant::now());
        tokio::time::sleep(COUNTED).await;
        let woken = process::wakeups(pid)?.saturating_sub(before);
        return Ok(Seen::Started(Startup {
            ready_ms: ready.as_secs_f64() * 1000.0,
            first_ms: first.as_secs_f64() * 1000.0,
            idle_mib: mebibytes(idle),
            wakeups: as_f64(woken) / counted.elapsed().as_secs_f64(),
        }));
    }
    Ok(Seen::NotReady)
}

/// Ends the server as an operator does, and for good when it does not listen. Says whether it listened.
async fn end(child: &mut Child) -> std::io::Result<bool> {
    let asked = Instant::now();
    // The standard library can only kill; the program `kill` is on every system that has /proc.
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
    while asked.elapsed() < PATIENCE {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE * 10).await;
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Origin;

    #[tokio::test]
    async fn a_command_that_cannot_be_run_is_named() {
        let origin = Arc::new(Origin::parse("http://127.0.0.1:9").unwrap());
        let place = Place {
            public: Arc::clone(&origin),
            admin: origin,
        };
        let error = measure(&place, &[String::from("no-such-server")]).await.unwrap_err();
        assert!(
            error.to_string().starts_with("\"no-such-server\" could not be run"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_child_that_is_asked_to_end_ends() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(end(&mut child).await.unwrap());
    }
}
