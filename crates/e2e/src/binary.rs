//! The built program, and its command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The repository.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The program: the one named by `CLAVIGER_BIN`, or else built now from this repository.
#[must_use]
pub fn path() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(named) = std::env::var_os("CLAVIGER_BIN") {
            return PathBuf::from(named);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = Command::new(cargo)
            .args(["build", "--quiet", "--package", "claviger", "--bin", "claviger"])
            .current_dir(root())
            .status();
        assert!(build.unwrap().success(), "the program does not build");
        // This test program is in DIRECTORY/deps.
        let mut directory = std::env::current_exe().unwrap();
        directory.pop();
        directory.pop();
        directory.join("claviger")
    })
}

/// The program as it is released, one file that needs no shared library: [`path`] if that is so linked, as it is where every
/// test runs, or else built now, which takes minutes the first time.
#[must_use]
pub fn released() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if is_static(path()) {
            return path().to_owned();
        }
        let built = Command::new(root().join("packaging/release"))
            .args(["--profile", "dev", "binary"])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(built.status.success(), "packaging/release does not build the program");
        PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
    })
}

/// Whether a program needs no interpreter and no shared library.
#[must_use]
pub fn is_static(program: &Path) -> bool {
    let told = Command::new("readelf")
        .args(["--program-headers", "--dynamic", "--wide"])
        .arg(program)
        .output();
    let told = told.expect("readelf is not installed: apt-get install binutils");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains("LOAD"),
        "{} is no program of this system",
        program.display()
    );
    !told.contains("INTERP") && !told.contains("(NEEDED)")
}

/// The program with nothing of this process's environment that could configure it.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(path());
    command.env_clear().current_dir(std::env::temp_dir());
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

/// Runs the program with arguments and variables.
#[must_use]
pub fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let output = command().args(args).envs(variables.iter().copied()).output().unwrap();
    Ran::from(output)
}

/// Runs the program with arguments.
#[must_use]
pub fn run(args: &[&str]) -> Ran {
    run_with(args, &[])
}

impl Ran {
    /// Standard output of a command that succeeded.
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }
}
