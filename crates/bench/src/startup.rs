//! How soon a server is ready after its start, and how much memory it holds when it has nothing to do.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::http::{Call, Link, Origin};
use crate::process::{self, ProcessError};

/// How often the server is started; the medians are reported.
const STARTS: usize = 5;

/// The longest time to wait for a start or an end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Between two questions whether the server is ready: this is how exact the time is.
const PAUSE: Duration = Duration::from_micros(500);

/// How long the server has nothing to do before its memory is read.
const IDLE: Duration = Duration::from_secs(1);

/// Why a start could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartupError {
    #[error("{program:?} could not be run ({source}): correct the command behind --")]
    Run { program: String, source: std::io::Error },
    #[error("{program:?} was not ready on {origin} within {} s: run it by hand and read what it says", PATIENCE.as_secs())]
    NotReady { program: String, origin: String },
    #[error("{program:?} did not end within {} s after SIGTERM", PATIENCE.as_secs())]
    NotEnded { program: String },
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// The medians of several starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Startup {
    /// From the start of the process to the first 200 of `/health/ready`.
    pub(crate) ready: Duration,
    /// Resident, in bytes.
    pub(crate) idle: u64,
}

/// Starts `command` several times, one after the other.
pub(crate) async fn measure(origin: &Arc<Origin>, command: &[String]) -> Result<Startup, StartupError> {
    let (program, arguments) = command
        .split_first()
        .map_or((String::new(), &[][..]), |(first, rest)| (first.clone(), rest));
    let (mut ready, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let unable = |source| StartupError::Run {
            program: program.clone(),
            source,
        };
        let begin = Instant::now();
        let mut child = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(unable)?;
        let seen = observe(origin, child.id(), begin).await;
        let ended = end(&mut child).await.map_err(unable)?;
        let seen = seen?.ok_or_else(|| StartupError::NotReady {
            program: program.clone(),
            origin: origin.to_string(),
        })?;
        if !ended {
            return Err(StartupError::NotEnded { program });
        }
        ready.push(seen.ready);
        idle.push(seen.idle);
    }
    Ok(Startup {
        ready: median(ready),
        idle: median(idle),
    })
}

/// Asks until the server is ready, lets it rest, and reads its memory. Nothing when it never was ready.
async fn observe(origin: &Arc<Origin>, pid: u32, begin: Instant) -> Result<Option<Startup>, ProcessError> {
    while begin.elapsed() < PATIENCE {
        let answer = Link::new(Arc::clone(origin)).send(&Call::get("/health/ready")).await;
        if answer.is_ok_and(|answer| answer.status == StatusCode::OK) {
            let ready = begin.elapsed();
            tokio::time::sleep(IDLE).await;
            let idle = process::memory(pid)?.resident;
            return Ok(Some(Startup { ready, idle }));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(None)
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

fn median<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_slow_start() {
        assert_eq!(median(vec![40, 900, 41, 39, 42]), 41);
        assert_eq!(median(Vec::<u64>::new()), 0);
    }

    #[tokio::test]
    async fn a_command_that_cannot_be_run_is_named() {
        let origin = Arc::new(Origin::parse("http://127.0.0.1:9").unwrap());
        let error = measure(&origin, &[String::from("no-such-server")]).await.unwrap_err();
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
