//! The address of the database: `sqlite://`, `postgres://`, `mysql://` and `memory`.
//!
//! No error and no debug output of this module repeats what was given, because it may contain a password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::duration;
use super::secret::{MASK, Secret};

const SUPPORTED: &str = "supported are sqlite:///path/to/file.sqlite, postgres://user:password@host:5432/database, \
                         mysql://user:password@tcp(host:3306)/database and memory";
const POSTGRES: &str = "postgres://user:password@host:5432/database";
const MYSQL: &str = "mysql://user:password@tcp(host:3306)/database";

/// What a path must not have as it is, to be read as it was.
const PATH: &AsciiSet = &CONTROLS.add(b'%').add(b'?');

/// Where the data is.
#[derive(Clone, PartialEq, Eq)]
pub enum Dsn {
    /// A SQLite database in memory, gone when the program ends.
    Memory,
    /// A SQLite file, made when it is absent.
    Sqlite {
        /// The file. A relative path counts from the current directory.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// The connection URL without the parameters of [`Pool`]. Contains the password.
        url: String,
        /// How many connections to keep.
        pool: Pool,
    },
    /// A MySQL or MariaDB server.
    Mysql {
        /// The address, as a URL or in the form of Go's driver, without the parameters of [`Pool`]. Contains the password.
        url: String,
        /// How many connections to keep.
        pool: Pool,
    },
}

/// Parameters of a database URL that are for us and not for the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// `max_conns`: most connections at a time; none leaves the choice to the store.
    pub max_conns: Option<u32>,
    /// `max_idle_conns`: most connections kept without work; none leaves the choice to the store.
    pub max_idle_conns: Option<u32>,
    /// `max_conn_lifetime`: a connection is replaced at this age; none means never.
    pub max_conn_lifetime: Option<Duration>,
    /// `max_conn_idle_time`: an idle connection is closed after this time; none means never.
    pub max_conn_idle_time: Option<Duration>,
}

/// Why a database address cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DsnError {
    /// No `scheme://` in front, and not `memory`.
    #[error("is not a database URL; {SUPPORTED}")]
    NotAUrl,
    /// A database that this release cannot use.
    #[error("names the database type {0:?}; {SUPPORTED}")]
    Scheme(String),
    /// `sqlite://` and nothing else.
    #[error("names no file; write sqlite:///path/to/file.sqlite")]
    NoFile,
    /// `mode=ro`.
    #[error("opens the database read-only (mode=ro), but the server has to write; remove that parameter")]
    ReadOnly,
    /// The URL does not name a server.
    #[error("names no database server; write {0}")]
    NoServer(&'static str),
    /// A pool parameter that does not parse.
    #[error("has a value for {0} that is not {1}")]
    Parameter(&'static str, &'static str),
}

impl Dsn {
    /// Reads a database address.
    ///
    /// # Errors
    /// If the scheme is unknown or not in this release, or a pool parameter does not parse.
    pub fn parse(text: &str) -> Result<Self, DsnError> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        let (scheme, rest) = text.split_once("://").ok_or(DsnError::NotAUrl)?;
        match scheme {
            "sqlite" => sqlite(rest),
            "postgres" | "postgresql" => postgres(scheme, rest),
            "mysql" => mysql(rest),
            // What stands there may be a password in the wrong place, so only short names are repeated.
            _ if scheme.len() <= 16 && scheme.bytes().all(|b| b.is_ascii_lowercase() || b == b'+') => {
                Err(DsnError::Scheme(scheme.to_owned()))
            }
            _ => Err(DsnError::NotAUrl),
        }
    }

    /// The address in the form that the drivers read, without the parameters of [`Pool`].
    #[must_use]
    pub fn to_url(&self) -> Secret {
        Secret::new(match self {
            Self::Memory => "memory".to_owned(),
            Self::Sqlite { path } => {
                let path = path.to_string_lossy();
                format!("sqlite://{}", utf8_percent_encode(&path, PATH))
            }
            Self::Postgres { url, .. } | Self::Mysql { url, .. } => url.clone(),
        })
    }
}

/// The address for people to read: the password is replaced.
impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
            Self::Postgres { url, .. } | Self::Mysql { url, .. } => f.write_str(&masked(url)),
        }
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({self})")
    }
}

fn sqlite(rest: &str) -> Result<Dsn, DsnError> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let has = |pair: &str| query.split('&').any(|given| given == pair);
    if has("mode=ro") {
        return Err(DsnError::ReadOnly);
    }
    if path.ends_with(":memory:") || has("mode=memory") {
        return Ok(Dsn::Memory);
    }
    if path.is_empty() {
        return Err(DsnError::NoFile);
    }
    let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
    Ok(Dsn::Sqlite { path: path.into() })
}

fn postgres(scheme: &str, rest: &str) -> Result<Dsn, DsnError> {
    let server = server_of(rest);
    let (target, query) = match rest.get(server..).and_then(|tail| tail.find('?')) {
        Some(mark) => rest.split_at(server + mark),
        None => (rest, ""),
    };
    let (pool, kept) = Pool::out_of(query)?;
    let host_elsewhere = kept
        .iter()
        .any(|pair| pair.starts_with("host=") || pair.starts_with("hostaddr="));
    let host = target.get(server..).unwrap_or_default();
    if !host_elsewhere && (host.is_empty() || host.starts_with('/') || host.starts_with(':')) {
        return Err(DsnError::NoServer(POSTGRES));
    }
    let mark = if kept.is_empty() { "" } else { "?" };
    Ok(Dsn::Postgres {
        url: format!("{scheme}://{target}{mark}{}", kept.join("&")),
        pool,
    })
}

/// `user:password@tcp(host:port)/database`, as Hydra takes it, or a URL. The store reads the rest.
fn mysql(rest: &str) -> Result<Dsn, DsnError> {
    let server = in_parentheses(rest).map_or_else(|| server_of(rest), |at| at + 1);
    let host = rest.get(server..).unwrap_or_default();
    let is_missing = ["/", ":", "?", "tcp(:", "tcp()", "unix()"]
        .iter()
        .any(|sign| host.starts_with(sign));
    if host.is_empty() || is_missing {
        return Err(DsnError::NoServer(MYSQL));
    }
    let (target, query) = match host.find('?') {
        Some(mark) => rest.split_at(server + mark),
        None => (rest, ""),
    };
    let (pool, kept) = Pool::out_of(query)?;
    let mark = if kept.is_empty() { "" } else { "?" };
    Ok(Dsn::Mysql {
        url: format!("mysql://{target}{mark}{}", kept.join("&")),
        pool,
    })
}

/// The @ before a server in Go's form. There the password stands as it is, and may contain all that a URL would encode.
fn in_parentheses(rest: &str) -> Option<usize> {
    ["@tcp(", "@unix("].iter().filter_map(|sign| rest.rfind(sign)).max()
}

/// Where the server begins: behind the credentials, if there are any. A password may contain a question mark, and a
/// parameter an @.
fn server_of(rest: &str) -> usize {
    let at = rest.find('@').filter(|at| !is_in_query(rest, *at));
    at.map_or(0, |at| at + 1)
}

/// Whether what stands at `at` belongs to a parameter: there is an address before it, and a question mark.
fn is_in_query(rest: &str, at: usize) -> bool {
    let before = rest.get(..at).unwrap_or_default().split_once('?');
    before.is_some_and(|(target, query)| query.contains('=') && is_address(target))
}

/// Whether no server has a port, or each has one that is a number with a path behind it: what follows a user's colon is hardly
/// ever that.
fn is_address(target: &str) -> bool {
    let (authority, path) = target
        .split_once('/')
        .map_or((target, None), |(authority, path)| (authority, Some(path)));
    let servers = authority.rsplit('@').next().unwrap_or_default().trim_end_matches(')');
    let is_port = |port: &str| path.is_some() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_v6 = |server: &str| server.starts_with('[') && server.ends_with(']');
    servers
        .split(',')
        .all(|server| is_v6(server) || server.rsplit_once(':').is_none_or(|(_, port)| is_port(port)))
}

impl Pool {
    /// The parameters that are ours, and the pairs that are not.
    fn out_of(query: &str) -> Result<(Self, Vec<String>), DsnError> {
        let (mut pool, mut kept) = (Self::default(), Vec::new());
        for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
            if !pool.take(pair)? {
                // To the drivers the first @ ends the credentials.
                kept.push(pair.replace('@', "%40"));
            }
        }
        Ok((pool, kept))
    }

    /// Takes `pair` if it is one of ours.
    fn take(&mut self, pair: &str) -> Result<bool, DsnError> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "max_conns" => self.max_conns = count("max_conns", value)?,
            "max_idle_conns" => self.max_idle_conns = count("max_idle_conns", value)?,
            "max_conn_lifetime" => self.max_conn_lifetime = time("max_conn_lifetime", value)?,
            "max_conn_idle_time" => self.max_conn_idle_time = time("max_conn_idle_time", value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A number of connections, where 0 means the default.
fn count(name: &'static str, value: &str) -> Result<Option<u32>, DsnError> {
    let number = value.parse().map_err(|_| DsnError::Parameter(name, "a whole number"))?;
    Ok((number > 0).then_some(number))
}

/// A time limit, where 0 means none.
fn time(name: &'static str, value: &str) -> Result<Option<Duration>, DsnError> {
    if value == "0" {
        return Ok(None);
    }
    let limit = duration::parse(value).ok_or(DsnError::Parameter(name, "a duration such as 30m"))?;
    Ok((!limit.is_zero()).then_some(limit))
}

/// `url` with the password, in front of the host or among the parameters, replaced.
fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // The last @ that may end a password: an earlier one must not put the rest of it in the open.
    let mut signs = rest.rmatch_indices('@').map(|(at, _)| at);
    let sign = in_parentheses(rest).or_else(|| signs.find(|at| !is_in_query(rest, *at)));
    let (credentials, server) = match sign {
        Some(at) => (rest.get(..at), rest.get(at + 1..).unwrap_or_default()),
        None => (None, rest),
    };
    // Who wrote & for ? has a password all the same.
    let end = server.find(['?', '&']).unwrap_or(server.len());
    let (target, query) = server.split_at(end);
    let user = credentials.map(|credentials| {
        let (user, password) = credentials
            .split_once(':')
            .map_or((credentials, None), |(user, password)| (user, Some(password)));
        match password {
            // No name, but a part of who knows what.
            _ if user.contains(['=', '@']) => format!("{MASK}@"),
            Some(_) => format!("{user}:{MASK}@"),
            None => format!("{user}@"),
        }
    });
    let pairs: Vec<String> = query
        .trim_start_matches(['?', '&'])
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(masked_pair)
        .collect();
    let mark = if pairs.is_empty() { "" } else { "?" };
    format!(
        "{scheme}://{}{target}{mark}{}",
        user.unwrap_or_default(),
        pairs.join("&")
    )
}

/// What has an @, by itself or as it was kept, may be a part of a password that was not encoded.
fn masked_pair(pair: &str) -> String {
    let is_secret = pair.contains('@') || pair.contains("%40") || pair.to_ascii_lowercase().contains("password");
    match pair.split_once('=') {
        _ if !is_secret => pair.to_owned(),
        Some((name, _)) if !name.contains('@') => format!("{name}={MASK}"),
        _ => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests;
