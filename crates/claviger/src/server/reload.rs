//! The configuration is read again when its files change, and on SIGHUP.
//!
//! What is new is judged as at a start. If it is fit for one, the requests that begin from then on are served by it, all of it at
//! once, and those in flight end as they began; if not, it is refused as a whole. What needs a start is named in the log.
//!
//! Files are looked at, not watched: that sees a file that is replaced in place, renamed over, or behind a link that is
//! turned (as Kubernetes does) alike, on every file system. A change counts when two looks in a row see the same, so that
//! a file that is being written is not read half.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio_util::sync::CancellationToken;

use super::ports::Sites;
use super::serve::{ensure_keys, log_level};
use super::stop::Hangups;
use super::{StartError, one_line};
use crate::config::{self, Reloaded, Settings, Sources};
use crate::provider::Current;
use crate::telemetry::log;

/// How often the files are looked at. A look costs a few system calls for each.
const EVERY: Duration = Duration::from_secs(1);

/// What is needed to read the configuration again, and to put it into force.
pub(super) struct Reload<'a> {
    pub(super) origin: Origin,
    pub(super) current: &'a Current,
    pub(super) sites: Sites,
}

/// Where a configuration comes from.
pub(super) struct Origin {
    pub(super) sources: Sources,
    /// As they were before it was read: what changes while the server starts is a change.
    files: Files,
}

impl Origin {
    pub(super) fn of(sources: Sources) -> Self {
        let files = Files::new(config::watched(&sources));
        Self { sources, files }
    }
}

impl Reload<'_> {
    /// Works until `stop` is cancelled.
    pub(super) async fn run(mut self, started_with: &Settings, mut hangups: Hangups, stop: &CancellationToken) {
        let mut replaced: Option<Settings> = None;
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                () = hangups.next() => true,
                () = self.origin.files.time_to_look() => false,
            };
            if !self.origin.files.have_settled_anew() && !is_asked {
                continue;
            }
            let running = replaced.as_ref().unwrap_or(started_with);
            if let Some(settings) = self.reload(running).await {
                replaced = Some(settings);
            }
        }
    }

    /// The settings from now on; none if they stay what they were.
    async fn reload(&self, running: &Settings) -> Option<Settings> {
        let metrics = Arc::clone(&self.current.now().metrics);
        let read = match config::reload(self.origin.sources.clone(), running) {
            Ok(read) => self.put_into_force(&read).await.map(|()| read),
            Err(error) => Err(error.into()),
        };
        match read {
            Ok(read) => {
                metrics.reloaded("applied");
                tell(&read, running);
                Some(read.settings)
            }
            Err(error) => {
                metrics.reloaded("refused");
                tracing::error!(
                    "the changed configuration is refused as a whole, and the earlier one stays in use: {}",
                    one_line(&error)
                );
                None
            }
        }
    }

    async fn put_into_force(&self, read: &Reloaded) -> Result<(), StartError> {
        if read.applied.is_empty() {
            return Ok(());
        }
        let same_secrets = !read.applied.contains(&"secrets.system");
        let provider = Arc::new(self.current.now().with_settings(&read.settings, same_secrets)?);
        if !same_secrets {
            provider.ring.reload(&provider.cx()).await?;
        }
        ensure_keys(&provider).await?;
        self.sites.replace(&read.settings, &provider);
        self.current.replace(provider);
        log::show_from(log_level(&read.settings));
        Ok(())
    }
}

fn tell(read: &Reloaded, running: &Settings) {
    tracing::info!(changed = read.applied.join(", "), "the configuration was read again");
    if !read.held.is_empty() {
        tracing::warn!(
            changed = read.held.join(", "),
            "these settings have changed too, and take effect at the next start"
        );
    }
    for warning in read.settings.warnings.iter().filter(|w| !running.warnings.contains(w)) {
        tracing::warn!("{warning}");
    }
}

/// The content of a file by its digest; none if it cannot be read.
type Seen = Option<[u8; 32]>;

/// The files that a configuration comes from.
struct Files {
    paths: Vec<PathBuf>,
    /// As they were when they were last read for use.
    used: Vec<Seen>,
    /// As they were at the last look.
    last: Vec<Seen>,
}

impl Files {
    /// Never comes where there is no file, so that an idle server sleeps.
    async fn time_to_look(&self) {
        if self.paths.is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(EVERY).await;
    }

    fn new(paths: Vec<PathBuf>) -> Self {
        let mut files = Self {
            paths,
            used: Vec::new(),
            last: Vec::new(),
        };
        files.used = files.look();
        files.last.clone_from(&files.used);
        files
    }

    fn look(&self) -> Vec<Seen> {
        let content = |path: &PathBuf| {
            // To open a pipe could take for ever.
            std::fs::metadata(path).ok()?.is_file().then_some(())?;
            let bytes = zeroize::Zeroizing::new(std::fs::read(path).ok()?);
            digest(&SHA256, &bytes).as_ref().try_into().ok()
        };
        self.paths.iter().map(content).collect()
    }

    /// Whether they differ from what is in use, and did not change since the last look.
    fn have_settled_anew(&mut self) -> bool {
        let now = self.look();
        let settled = now == self.last;
        self.last = now;
        let is_new = settled && self.last != self.used;
        if is_new {
            self.used.clone_from(&self.last);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_and_only_when_it_has_settled() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.yml");
        std::fs::write(&path, "a").unwrap();
        let mut files = Files::new(vec![path.clone()]);
        assert!(!files.have_settled_anew());
        std::fs::write(&path, "half").unwrap();
        assert!(!files.have_settled_anew());
        std::fs::write(&path, "half and half").unwrap();
        assert!(!files.have_settled_anew());
        assert!(files.have_settled_anew());
        assert!(!files.have_settled_anew());
        std::fs::remove_file(&path).unwrap();
        assert!(!files.have_settled_anew());
        assert!(files.have_settled_anew());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_is_turned_is_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (version, text) in [("v1", "one"), ("v2", "two")] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("c.yml"), text).unwrap();
        }
        std::os::unix::fs::symlink(at("v1"), at("data")).unwrap();
        let mut files = Files::new(vec![at("data").join("c.yml")]);
        std::os::unix::fs::symlink(at("v2"), at("next")).unwrap();
        std::fs::rename(at("next"), at("data")).unwrap();
        assert!(!files.have_settled_anew());
        assert!(files.have_settled_anew());
    }
}
