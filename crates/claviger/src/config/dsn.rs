//! The address of the database: `sqlite://`, `postgres://`, `mysql://` and `memory`.
//!
//! No error and no debug output of this module repeats what was given, because it may contain a password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::duration;
use super::secret::{MASK, Secret};

const SUPPORTED: &str = "supported are sqlite:///path/to/file.sqlite, postgres://user:password@host:5432/database, \
                         mysql://user:password@tcp(host:3306)/database and memory";
const POSTGRES: &str = "postgres://user:password@host:5432/database";
const MYSQL: &str = "mysql://user:password@tcp(host:3306)/database";

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
            Self::Sqlite { path } => format!("sqlite://{}", path.display()),
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
    // A password may contain a question mark; the query begins after the first @.
    let server = rest.find('@').map_or(0, |at| at + 1);
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
    // In Go's form the password stands as it is, and may contain all that a URL would encode.
    let in_parentheses = ["@tcp(", "@unix("].iter().filter_map(|sign| rest.rfind(sign)).max();
    let server = in_parentheses.or_else(|| rest.find('@')).map_or(0, |at| at + 1);
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

impl Pool {
    /// The parameters that are ours, and the pairs that are not.
    fn out_of(query: &str) -> Result<(Self, Vec<&str>), DsnError> {
        let (mut pool, mut kept) = (Self::default(), Vec::new());
        for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
            if !pool.take(pair)? {
                kept.push(pair);
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
    // The last @: one that belongs into the password must not put the rest of it in the open.
    let (credentials, server) = rest.rsplit_once('@').map_or((None, rest), |(c, s)| (Some(c), s));
    let (target, query) = server.split_once('?').unwrap_or((server, ""));
    let user = credentials.map(|c| {
        c.split_once(':')
            .map_or(format!("{c}@"), |(user, _)| format!("{user}:{MASK}@"))
    });
    let pairs: Vec<String> = query
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

fn masked_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool_of(text: &str) -> (String, Pool) {
        match Dsn::parse(text) {
            Ok(Dsn::Postgres { url, pool }) => (url, pool),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn memory_and_sqlite_in_memory_are_the_same() {
        for text in [
            "memory",
            "sqlite://:memory:",
            "sqlite://file::memory:?cache=shared",
            "sqlite://x?mode=memory",
        ] {
            assert_eq!(Dsn::parse(text), Ok(Dsn::Memory), "{text}");
        }
    }

    #[test]
    fn a_sqlite_path_loses_the_parameters_of_the_other_driver() {
        let file = |path: &str| Ok(Dsn::Sqlite { path: path.into() });
        assert_eq!(
            Dsn::parse("sqlite:///var/lib/c.db?_fk=true&mode=rwc"),
            file("/var/lib/c.db")
        );
        assert_eq!(Dsn::parse("sqlite://claviger.sqlite"), file("claviger.sqlite"));
        assert_eq!(Dsn::parse("sqlite:///a%20b.db"), file("/a b.db"));
    }

    #[test]
    fn sqlite_needs_a_file_that_it_may_write() {
        assert_eq!(Dsn::parse("sqlite://"), Err(DsnError::NoFile));
        assert_eq!(Dsn::parse("sqlite:///a.db?mode=ro"), Err(DsnError::ReadOnly));
    }

    #[test]
    fn pool_parameters_do_not_reach_the_driver() {
        let (url, pool) = pool_of(
            "postgres://u:p@h:5432/d?max_conns=20&sslmode=disable&max_idle_conns=4&max_conn_lifetime=1h&max_conn_idle_time=90s",
        );
        assert_eq!(url, "postgres://u:p@h:5432/d?sslmode=disable");
        let expected = Pool {
            max_conns: Some(20),
            max_idle_conns: Some(4),
            max_conn_lifetime: Some(Duration::from_secs(3600)),
            max_conn_idle_time: Some(Duration::from_secs(90)),
        };
        assert_eq!(pool, expected);
    }

    #[test]
    fn a_zero_pool_parameter_means_the_default() {
        let (url, pool) = pool_of("postgresql://u@h/d?max_conns=0&max_conn_lifetime=0&max_conn_idle_time=0s");
        assert_eq!((url.as_str(), pool), ("postgresql://u@h/d", Pool::default()));
    }

    #[test]
    fn a_pool_parameter_that_does_not_parse_is_named() {
        let error = Dsn::parse("postgres://u:hidden@h/d?max_conns=many").unwrap_err();
        assert_eq!(
            error.to_string(),
            "has a value for max_conns that is not a whole number"
        );
    }

    #[test]
    fn a_socket_directory_may_stand_in_for_the_host() {
        let (url, _) = pool_of("postgres:///d?host=/var/run/postgresql");
        assert_eq!(url, "postgres:///d?host=/var/run/postgresql");
        assert_eq!(Dsn::parse("postgres:///d"), Err(DsnError::NoServer(POSTGRES)));
    }

    #[test]
    fn databases_that_are_not_supported_are_refused_by_name() {
        for scheme in ["cockroach", "oracle"] {
            let error = Dsn::parse(&format!("{scheme}://root:hidden@tcp(h:1)/d"))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(scheme) && error.contains("supported are sqlite://") && !error.contains("hidden"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_mysql_address_is_taken_as_hydra_takes_it() {
        for (text, kept, shown) in [
            (
                "mysql://hydra:se?c/r@et@tcp(db:3306)/hydra?max_conns=20&parseTime=true&tls=true",
                "mysql://hydra:se?c/r@et@tcp(db:3306)/hydra?parseTime=true&tls=true",
                "mysql://hydra:******@tcp(db:3306)/hydra?parseTime=true&tls=true",
            ),
            (
                "mysql://hydra:p%40@db/hydra?max_conns=20",
                "mysql://hydra:p%40@db/hydra",
                "mysql://hydra:******@db/hydra",
            ),
            (
                "mysql://hydra:a,b@tcp(one:3306,two:3306)/hydra?max_conns=20",
                "mysql://hydra:a,b@tcp(one:3306,two:3306)/hydra",
                "mysql://hydra:******@tcp(one:3306,two:3306)/hydra",
            ),
            (
                "mysql://root@unix(/run/s.sock)/hydra?max_conns=20",
                "mysql://root@unix(/run/s.sock)/hydra",
                "mysql://root@unix(/run/s.sock)/hydra",
            ),
        ] {
            let dsn = Dsn::parse(text).unwrap();
            assert_eq!(dsn.to_string(), shown);
            let Dsn::Mysql { url, pool } = dsn else {
                panic!("{text}");
            };
            assert_eq!((url.as_str(), pool.max_conns), (kept, Some(20)));
        }
        for text in [
            "mysql://",
            "mysql://u:hidden@tcp(:3306)/d",
            "mysql:///d",
            "mysql://u:hidden@/d",
        ] {
            let error = Dsn::parse(text).unwrap_err();
            assert_eq!(error, DsnError::NoServer(MYSQL), "{text}");
            assert!(!error.to_string().contains("hidden"));
        }
    }

    #[test]
    fn garbage_is_refused_and_not_repeated() {
        for text in ["garbage", "", "pass word://x", "A$ecretThatIsLong://"] {
            assert_eq!(Dsn::parse(text), Err(DsnError::NotAUrl), "{text:?}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let dsn = Dsn::parse("postgres://hydra:se?cr/et@h:5432/d?sslmode=disable&sslpassword=other").unwrap();
        assert_eq!(
            dsn.to_string(),
            "postgres://hydra:******@h:5432/d?sslmode=disable&sslpassword=******"
        );
        assert!(!format!("{dsn:?}").contains("cr/et"));
        let unencoded = Dsn::parse("postgres://hydra:se@cret@h:5432/d").unwrap();
        assert_eq!(unencoded.to_string(), "postgres://hydra:******@h:5432/d");
        assert_eq!(
            dsn.to_url().expose(),
            "postgres://hydra:se?cr/et@h:5432/d?sslmode=disable&sslpassword=other"
        );
    }
}
