//! One connection to MySQL or MariaDB: TLS, session settings, and what kind of server it is.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use claviger_core::port::StoreError;
use mysql_async::{ClientIdentity, Conn, DriverError, Error, Opts, OptsBuilder, Row, SslOpts};

use super::address::{Address, Place, Tls};
use super::fault::{explained, is_away, transport};
use super::line::sets;
use super::read::column;
use crate::{OpenError, Options};

/// What is sent when a connection begins, in one round trip.
///
/// - Strict mode: text that does not fit is an error and never cut off.
/// - READ COMMITTED: a statement that waited for a row sees what the other one wrote, and nothing locks the gaps between
///   rows, which would make strangers wait for each other. Every predicate that can race is in the statement that writes.
/// - Whatever the server is set to, a statement alone commits by itself, and a commit ends its transaction and no more.
/// - The server may close what rests; `line` asks a connection that rested before it depends on it.
const SETTINGS: &str = "SET NAMES utf8mb4;
      SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';
      SET SESSION autocommit = 1, SESSION completion_type = 0;
      SET SESSION time_zone = '+00:00';
      SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
      SELECT VERSION();
      SHOW VARIABLES LIKE 'wsrep_on';
      SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'innodb_read_only') AND Value <> 'OFF';";

/// On a server of a Galera cluster, reads and writes wait until it has applied what the others committed before: a token
/// of one server is known to the next, and a revoked one is dead everywhere. (1: reads, 2: updates, 4: inserts.) One that
/// left the cluster answers nothing.
const CAUSAL: &str = "SET SESSION wsrep_sync_wait = 7, SESSION wsrep_dirty_reads = 0;";

/// A packet that every server takes; larger ones are the server's to refuse.
const PACKET: usize = 16 << 20;

/// A connection, and whether its server is one of a Galera cluster.
pub(super) struct Connected {
    pub(super) conn: Conn,
    pub(super) has_peers: bool,
    /// Which of the servers of the address it is.
    pub(super) server: usize,
}

/// How one server is reached.
struct Server {
    opts: Opts,
    /// For `tls=preferred`, where the server offers none.
    plain: Option<Opts>,
}

/// Makes connections.
pub(super) struct Connector {
    servers: Vec<Server>,
    /// The one that is tried first: it answered last.
    first: AtomicUsize,
    patience: Duration,
    statement_timeout: Duration,
}

impl Connector {
    pub(super) fn new(url: &str, options: &Options) -> Result<Self, OpenError> {
        let address = Address::parse(url)?;
        for path in address
            .authorities
            .iter()
            .chain(address.identity.iter().flat_map(|(c, k)| [c, k]))
        {
            // The driver would say so at the first connection only, and without the name.
            std::fs::File::open(path)
                .map_err(|error| OpenError::Address(format!("the TLS file {path:?} cannot be read: {error}")))?;
        }
        let server = |place| {
            let plain = builder(&address, place);
            Server {
                opts: plain.clone().ssl_opts(tls(&address)).into(),
                plain: (address.tls == Tls::Preferred).then(|| plain.into()),
            }
        };
        Ok(Self {
            servers: address.places.iter().map(server).collect(),
            first: AtomicUsize::new(0),
            patience: options.patience,
            statement_timeout: options.statement_timeout,
        })
    }

    /// A connection to the server that answered last, or to the next one that answers.
    pub(super) async fn connect(&self) -> Result<Connected, StoreError> {
        self.attempt().await.map_err(OpenError::unavailable)
    }

    /// The same, which says whether it may pass that there is none.
    pub(super) async fn attempt(&self) -> Result<Connected, OpenError> {
        let first = self.first.load(Ordering::Relaxed);
        let count = self.servers.len();
        let mut refusal = OpenError::Unreachable("the address names no server".to_owned());
        for step in 0..count {
            let number = first.wrapping_add(step).checked_rem(count).unwrap_or_default();
            match self.connect_to(number).await {
                Ok(connected) => {
                    // Unless somebody who knows better left it meanwhile.
                    self.prefer(first, number);
                    return Ok(connected);
                }
                // What one of them refuses for good is what a person has to hear.
                Err(OpenError::Unreachable(_)) if !matches!(refusal, OpenError::Unreachable(_)) => {}
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// The server takes no writes or is gone: the next connection goes to another one, if there is one.
    pub(super) fn leave(&self, server: usize) {
        let next = server
            .wrapping_add(1)
            .checked_rem(self.servers.len())
            .unwrap_or_default();
        // Several connections leave it at the same time, and one of them says so.
        self.prefer(server, next);
    }

    /// Whether somebody left the server: who reads from it still reads what it was when it was the primary.
    pub(super) fn is_left(&self, server: usize) -> bool {
        self.first.load(Ordering::Relaxed) != server
    }

    /// Another one is tried first, if nobody changed that since it was read.
    fn prefer(&self, seen: usize, next: usize) {
        let order = Ordering::Relaxed;
        let _ = self.first.compare_exchange(seen, next, order, order);
    }

    async fn connect_to(&self, number: usize) -> Result<Connected, OpenError> {
        let Some(server) = self.servers.get(number) else {
            return Err(OpenError::Unreachable("the address names no such server".to_owned()));
        };
        // Who has others to ask asks them soon.
        let patience = if self.servers.len() > 1 {
            self.patience
        } else {
            self.patience * 2
        };
        match tokio::time::timeout(patience, self.open(server)).await {
            Ok(Ok((conn, has_peers))) => Ok(Connected {
                conn,
                has_peers,
                server: number,
            }),
            Ok(Err(Opened::Failed(error))) => Err(match is_away(&error) {
                true => OpenError::Unreachable(reason(&error)),
                false => OpenError::Server(reason(&error)),
            }),
            Ok(Err(Opened::ReadOnly(reason))) => Err(OpenError::Unreachable(reason)),
            Ok(Err(Opened::TooOld(reason))) => Err(OpenError::Server(reason)),
            Err(_) => Err(OpenError::Unreachable("connecting took too long".to_owned())),
        }
    }

    async fn open(&self, server: &Server) -> Result<(Conn, bool), Opened> {
        let mut conn = match (Conn::new(server.opts.clone()).await, &server.plain) {
            (Err(Error::Driver(DriverError::NoClientSslFlagFromServer)), Some(plain)) => {
                Conn::new(plain.clone()).await?
            }
            (opened, _) => opened?,
        };
        let answers = sets(&mut conn, SETTINGS).await?;
        let mut answers = answers.iter().map(|rows| rows.first());
        let version = text(answers.next().flatten(), 0);
        let has_peers = text(answers.next().flatten(), 1) == "ON";
        let read_only = answers.next().flatten();
        // Alone, it still answers who reads. Among several, it is a replica or a primary of before: it lags, and an account
        // with all rights could even write to it.
        if let Some(variable) = read_only.filter(|_| self.servers.len() > 1) {
            return Err(Opened::ReadOnly(format!(
                "the server is read-only ({} is on), and of several servers one that takes changes is used",
                text(Some(variable), 0)
            )));
        }
        let mut more = limits(&version, self.statement_timeout)?;
        if has_peers {
            more.push_str(CAUSAL);
        }
        sets(&mut conn, &more).await?;
        Ok((conn, has_peers))
    }
}

enum Opened {
    Failed(Error),
    TooOld(String),
    /// Another one has to be asked.
    ReadOnly(String),
}

impl From<Error> for Opened {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn text(row: Option<&Row>, at: usize) -> String {
    row.and_then(|row| column(row, at).ok()).unwrap_or_default()
}

/// How long a statement may run and wait for a lock, as this kind of server says it.
fn limits(version: &str, timeout: Duration) -> Result<String, Opened> {
    let numbers: Vec<u32> = version
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse().ok())
        .take(2)
        .collect();
    let is_mariadb = version.contains("MariaDB");
    let least: [u32; 2] = if is_mariadb { [10, 6] } else { [8, 0] };
    if numbers.as_slice() < least.as_slice() {
        return Err(Opened::TooOld(format!(
            "the server is {version}, and MySQL 8.0 or MariaDB 10.6 is the oldest that is supported"
        )));
    }
    let seconds = timeout.as_secs().max(1);
    let statement = match is_mariadb {
        true => format!("SET SESSION max_statement_time = {seconds};"),
        // Of reads only; a write of MySQL ends by its lock, or by our own deadline.
        false => format!("SET SESSION max_execution_time = {};", timeout.as_millis()),
    };
    Ok(format!("{statement}SET SESSION innodb_lock_wait_timeout = {seconds};"))
}

fn builder(address: &Address, place: &Place) -> OptsBuilder {
    let builder = OptsBuilder::default()
        .user(address.user.clone())
        .pass(address.password.clone())
        .db_name(address.database.clone())
        .prefer_socket(false)
        .stmt_cache_size(0)
        // Given, so that the driver does not ask for them.
        .max_allowed_packet(Some(PACKET))
        .wait_timeout(Some(28_800));
    match place {
        Place::Tcp { host, port } => builder.ip_or_hostname(host.clone()).tcp_port(*port),
        Place::Socket(path) => builder.socket(Some(path.clone())),
    }
}

fn tls(address: &Address) -> Option<SslOpts> {
    let file = |path: &str| PathBuf::from(path);
    let opts = match address.tls {
        Tls::Off => return None,
        Tls::Preferred | Tls::Unchecked => SslOpts::default()
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true),
        Tls::Checked => SslOpts::default(),
    };
    let opts = match &address.authorities {
        Some(path) => opts
            .with_root_certs(vec![file(path).into()])
            .with_disable_built_in_roots(true),
        None => opts,
    };
    let identity = address.identity.as_ref();
    Some(opts.with_client_identity(
        identity.map(|(certificate, key)| ClientIdentity::new(file(certificate).into(), file(key).into())),
    ))
}

/// What an error says to the person who starts the program, or migrates.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::Server(error) => explained(error),
        error => transport(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_left_once_however_many_connections_it_had() {
        let connector = Connector::new("mysql://claviger@tcp(one:3306,two:3306)/db", &Options::default()).unwrap();
        let first = || connector.first.load(Ordering::Relaxed);
        for _ in 0..2 {
            connector.leave(0);
            assert_eq!(first(), 1);
        }
        // Who reads from it does not stay there either.
        assert!(connector.is_left(0) && !connector.is_left(1));
        // Who began before that, and reached the first one, does not lead everybody back to it.
        connector.prefer(0, 0);
        assert_eq!(first(), 1);
        connector.leave(1);
        assert_eq!(first(), 0);
    }

    #[test]
    fn servers_that_are_too_old_are_refused_by_name() {
        let timeout = Duration::from_secs(5);
        for version in ["10.5.29-MariaDB-0+deb11u1", "5.7.44-log", "10.3.0-MariaDB"] {
            let Err(Opened::TooOld(reason)) = limits(version, timeout) else {
                panic!("{version} is too old");
            };
            assert!(reason.contains(version), "{reason}");
        }
        let Ok(mariadb) = limits("10.11.19-MariaDB-0+deb12u1", timeout) else {
            panic!("MariaDB 10.11 is supported");
        };
        assert!(mariadb.contains("max_statement_time = 5"), "{mariadb}");
        let Ok(mysql) = limits("8.4.3", timeout) else {
            panic!("MySQL 8.4 is supported");
        };
        assert!(mysql.contains("max_execution_time = 5000"), "{mysql}");
    }
}
