//! A shell script that runs database servers and takes them down when its standard input closes: that is when this
//! process ends, however it ends.

use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Keeps the servers alive.
pub(crate) struct Keeper {
    script: Child,
}

impl Keeper {
    /// Gives the script a line to read.
    pub(crate) fn tell(&mut self, line: &str) {
        let script = self.script.stdin.as_mut().unwrap();
        writeln!(script, "{line}").unwrap();
    }
}

/// Runs `script` as `user`, because database servers refuse root, and waits until it says `ready`.
pub(crate) fn start(user: &str, script: &str, environment: &[(&str, String)]) -> Keeper {
    let mut script = shell(user, script)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("sh and, for root, setpriv (package util-linux) are needed to start a database server");
    let mut said = BufReader::new(script.stdout.take().unwrap()).lines();
    let mut log = Vec::new();
    loop {
        let Some(Ok(line)) = said.next() else {
            panic!("the database server did not start:\n{}", log.join("\n"));
        };
        if line == "ready" {
            break;
        }
        log.push(line);
    }
    // A full pipe would stop the servers.
    std::thread::spawn(move || said.for_each(drop));
    Keeper { script }
}

fn shell(user: &str, script: &str) -> Command {
    let id = Command::new("id").arg("-u").output().expect("the command id");
    if id.stdout.trim_ascii() != b"0" {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        return command;
    }
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={user}"),
        &format!("--regid={user}"),
        "--clear-groups",
        "sh",
        "-c",
        script,
    ]);
    command
}

/// Ports that nobody uses, held until all are found, so that they differ.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// A folder that does not exist yet, in memory where that is possible.
pub(crate) fn folder(name: &str) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    parent.join(format!("claviger-{name}-{}", std::process::id()))
}
