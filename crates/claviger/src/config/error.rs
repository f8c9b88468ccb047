//! Why a configuration cannot be used. Every message is one line that says what to change, and shows no secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a value came from, weakest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table of settings.
    Default,
    /// What development mode sets where nothing else does.
    Dev,
    /// A configuration file, and the line where it is known.
    File(PathBuf, Option<u64>),
    /// A command line flag, with its dashes.
    Flag(&'static str),
    /// An environment variable.
    Env(String),
    /// An argument of the command.
    Argument,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Dev => f.write_str("development mode"),
            Self::File(path, None) => write!(f, "file {}", path.display()),
            Self::File(path, Some(line)) => write!(f, "file {}:{line}", path.display()),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Argument => f.write_str("command line argument"),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be opened or is not UTF-8.
    #[error("cannot read the configuration file {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// A file of an unknown format.
    #[error("the configuration file {} has an unknown extension; use .yaml, .yml, .json or .toml", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A file that its format does not allow.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// What the parser says.
        message: String,
    },
    /// A key that is not in the table.
    #[error("{key} ({origin}) is not a setting{}", nearest.map(|key| format!("; did you mean {key}?")).unwrap_or_default())]
    Unknown {
        /// The path as written.
        key: String,
        /// Where it is written.
        origin: Source,
        /// The most similar setting.
        nearest: Option<&'static str>,
    },
    /// A value that its setting does not allow.
    #[error("{key} ({origin}) {reason}")]
    Invalid {
        /// The setting.
        key: String,
        /// Where the value comes from.
        origin: Source,
        /// The rest of the sentence.
        reason: String,
    },
    /// A setting that is needed and absent, or a combination that is refused. The text is the whole message.
    #[error("{0}")]
    Refused(String),
    /// The file with the secrets of development mode cannot be used.
    #[error("the development secrets in {} cannot be used: {reason}", path.display())]
    DevSecrets {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}
