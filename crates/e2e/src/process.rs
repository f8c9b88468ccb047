//! Programs that run beside a test: their output is kept, and they end with it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long anything may take that is expected to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Output {
    text: Mutex<String>,
    grown: Condvar,
}

impl Process {
    /// Starts `command` with both of its outputs kept, line by line in the order of their arrival.
    #[must_use]
    pub fn start(name: &str, command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start ({command:?}): {error}"));
        let output = Arc::new(Output::default());
        let readers = vec![
            keep(child.stdout.take().unwrap(), &output),
            keep(child.stderr.take().unwrap(), &output),
        ];
        Self {
            name: name.to_owned(),
            child,
            output,
            readers,
        }
    }

    /// Everything it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text.lock().unwrap().clone()
    }

    /// Waits until `wanted` was printed, and returns everything printed so far.
    pub fn wait_for_output(&mut self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.output.text.lock().unwrap();
        while !text.contains(wanted) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && matches!(self.child.try_wait(), Ok(None)),
                "{} never printed {wanted:?}, but:\n{text}",
                self.name
            );
            // The end of a program that prints nothing more does not wake anybody.
            let pause = left.min(Duration::from_millis(100));
            text = self.output.grown.wait_timeout(text, pause).unwrap().0;
        }
        text.clone()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends the signal (`TERM`, `KILL`, ...).
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "{} got no {name}: it no longer runs", self.name);
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What it printed last may still be on its way. A child of its own may keep the pipe open for longer.
                while self.readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(1));
                }
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not end. It printed:\n{}",
                self.name,
                self.output()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The most memory that it ever had resident, in bytes.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let running = self.is_running();
        if running {
            drop(self.child.kill());
            drop(self.child.wait());
        }
        if thread::panicking() {
            let state = if running { "ran until now" } else { "had ended" };
            eprintln!("---- {} ({state}) printed ----\n{}", self.name, self.output());
        }
    }
}

fn keep(stream: impl Read + Send + 'static, output: &Arc<Output>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            output.text.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            output.grown.notify_all();
            line.clear();
        }
    })
}
