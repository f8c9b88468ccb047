//! Days on which something around the server is broken: it says what, loses nothing, and goes on when it is mended.
//!
//! A database that is away is in `away.rs`; ports that are taken are in `start.rs`.

mod away;

use std::fs::File;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use claviger_e2e::process::{PATIENCE, Process};
use claviger_e2e::server::SECRET;
use claviger_e2e::{Answer, Database, Flow, Http, Server, ServerOptions, binary, dump};

const OTHER_SECRET: &str = "another-secret-0123456789-abcdefgh";

fn execute(database: &Database, sql: &str) {
    match database {
        Database::Sqlite { .. } => {
            let connection = rusqlite::Connection::open(database.file().unwrap()).unwrap();
            connection.busy_timeout(PATIENCE).unwrap();
            connection.execute_batch(sql).unwrap();
        }
        Database::Postgres { dsn } => {
            let mut psql = claviger_e2e::postgres::cluster().program("psql");
            let status = psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-c", sql]).arg(dsn).status();
            assert!(status.unwrap().success(), "{sql}");
        }
        Database::Mariadb { name, .. } => {
            let mut mariadb = claviger_e2e::mariadb::server().program("mariadb");
            let status = mariadb.arg(name).arg(format!("--execute={sql}")).status();
            assert!(status.unwrap().success(), "{sql}");
        }
    }
}

/// The rows of a database, in an order of their own.
fn rows(database: &Database) -> Vec<String> {
    let text = dump::text(database);
    let is_row = |line: &&str| line.starts_with("INSERT INTO") || line.contains(": ");
    let mut rows: Vec<String> = text.lines().filter(is_row).map(str::to_owned).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn a_server_with_the_wrong_secret_overwrites_nothing() {
    for database in [Database::sqlite(), Database::postgres(), Database::mariadb()] {
        let server = Server::on(&database).await;
        let mut flow = Flow::new(&server).await;
        let tokens = flow.tokens().await;
        let url = server.public("/.well-known/jwks.json");
        let published = Http::new().get(&url).await.json();
        server.stop();
        let before = rows(&database);
        assert!(before.len() > 8, "{before:?}");
        let mut wrong = ServerOptions::new(&database)
            .with("SECRETS_SYSTEM", OTHER_SECRET)
            .spawn();
        assert_eq!(wrong.wait().code(), Some(1), "{}", wrong.output());
        assert_eq!(rows(&database), before);
        let right = ServerOptions::new(&database)
            .with("SECRETS_SYSTEM", SECRET)
            .start()
            .await;
        let url = right.public("/.well-known/jwks.json");
        assert_eq!(Http::new().get(&url).await.json(), published);
        assert!(right.is_active(tokens["refresh_token"].as_str().unwrap()).await);
    }
}

#[tokio::test]
async fn a_signing_key_that_is_damaged_is_named_and_nothing_takes_its_place() {
    for database in [Database::sqlite(), Database::postgres(), Database::mariadb()] {
        Server::on(&database).await.stop();
        let damaged = match database {
            Database::Postgres { .. } => "decode(repeat('00', 64), 'hex')".to_owned(),
            _ => format!("X'{}'", "00".repeat(64)),
        };
        execute(&database, &format!("UPDATE claviger_key SET sealed = {damaged}"));
        let before = rows(&database);
        let mut process = ServerOptions::new(&database).spawn();
        assert_eq!(process.wait().code(), Some(1), "{}", process.output());
        let told = process.output();
        assert!(told.contains("key") && told.contains("hydra.openid.id-token"), "{told}");
        assert_eq!(rows(&database), before);
    }
}

/// As many programs as there are servers in a rollout run it at the same moment.
#[test]
fn migrations_that_run_at_once_all_succeed() {
    for database in [Database::sqlite(), Database::postgres()] {
        let dsn = database.dsn();
        let start = || {
            let mut command = binary::command();
            command.args(["migrate", "sql", "--yes", &dsn]);
            Process::start("claviger migrate", &mut command)
        };
        for mut process in [start(), start(), start(), start()] {
            assert_eq!(process.wait().code(), Some(0), "{}", process.output());
        }
        let status = binary::run(&["migrate", "sql", "status", &dsn]).success();
        assert!(!status.contains("Pending"), "{status}");
    }
}

#[tokio::test]
async fn a_migration_that_was_killed_is_repeated_and_finishes() {
    for database in [Database::sqlite(), Database::postgres(), Database::mariadb()] {
        let dsn = database.dsn();
        // Wherever each of them was.
        for milliseconds in [1, 5, 10, 20, 40, 80] {
            let mut command = binary::command();
            command.args(["migrate", "sql", "--yes", &dsn]);
            let process = Process::start("claviger migrate", &mut command);
            std::thread::sleep(Duration::from_millis(milliseconds));
            // Killed as it is let go of.
            drop(process);
        }
        let server = Server::on(&database).await;
        Flow::new(&server).await.tokens().await;
    }
}

/// A newer release migrated the database: the older one works on, and says what it sees.
#[tokio::test]
async fn an_old_server_works_beside_a_newer_schema_and_says_so() {
    for database in [Database::sqlite(), Database::postgres(), Database::mariadb()] {
        claviger_e2e::server::migrate(&database);
        newer(&database);
        let server = ServerOptions::new(&database).start().await;
        Flow::new(&server).await.tokens().await;
        let log = server.log();
        assert!(log.contains("newer release") && log.contains("9999"), "{log}");
        let before = rows(&database).len();
        binary::run(&["migrate", "sql", "--yes", &database.dsn()]).success();
        assert_eq!(rows(&database).len(), before);
        let status = binary::run(&["migrate", "sql", "status", &database.dsn()]).success();
        assert!(status.contains("9999"), "{status}");
    }
}

/// What a release from the future leaves: columns that this one does not fill, a table, an index, and its migration.
fn newer(database: &Database) {
    for table in ["client", "flow", "access", "refresh", "session", "key"] {
        for column in ["future_note TEXT", "future_count INTEGER NOT NULL DEFAULT 7"] {
            execute(database, &format!("ALTER TABLE claviger_{table} ADD COLUMN {column}"));
        }
        execute(
            database,
            &format!("CREATE INDEX claviger_{table}_future ON claviger_{table} (future_count)"),
        );
    }
    execute(database, "CREATE TABLE claviger_future (id INTEGER PRIMARY KEY)");
    let columns = "version, name, sha256, applied_at";
    execute(
        database,
        &format!(
            "INSERT INTO claviger_migration ({columns}) \
             SELECT 9999, 'from_the_future', sha256, applied_at FROM claviger_migration WHERE version = 1"
        ),
    );
}

/// Whose clock is wrong cannot be known, and what is removed does not come back.
#[tokio::test]
async fn a_clock_that_is_far_from_that_of_the_database_is_told_at_the_start() {
    let database = Database::postgres();
    let name = database
        .dsn()
        .rsplit('/')
        .next()
        .unwrap()
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    // The tables stay in `public`; this function stands before that of the server.
    for sql in [
        "CREATE SCHEMA skewed",
        "CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS \
         $$SELECT pg_catalog.clock_timestamp() - interval '2 hours'$$",
        &format!("ALTER DATABASE {name} SET search_path = public, skewed, pg_catalog"),
    ] {
        execute(&database, sql);
    }
    let server = Server::on(&database).await;
    let log = server.log();
    let (before, _) = log.split_once(" s behind").expect(&log);
    let behind: u32 = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((7190..=7300).contains(&behind), "{log}");
    assert!(log.contains("nothing that has expired is removed"), "{log}");
    Flow::new(&server).await.tokens().await;
}

/// A small disk of its own, for as long as it is held.
struct SmallDisk(Database);

impl SmallDisk {
    fn mounted() -> Self {
        let disk = Self(Database::sqlite());
        let folder = disk.0.file().unwrap().parent().unwrap().to_owned();
        let mut mount = Command::new("mount");
        let mounted = mount
            .args(["-t", "tmpfs", "-o", "size=8m", "claviger-test"])
            .arg(folder);
        let mounted = mounted.output().unwrap();
        assert!(
            mounted.status.success(),
            "this test mounts a small disk, which only root may do: {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        disk
    }

    fn filler(&self) -> std::path::PathBuf {
        self.0.file().unwrap().with_file_name("filler")
    }

    fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let file = self.0.file().unwrap();
        let unmounted = Command::new("umount").arg("-l").arg(file.parent().unwrap()).status();
        drop(unmounted);
    }
}

async fn refused_changes(server: &Server) -> u64 {
    let metrics = Http::new().get(&server.admin("/metrics/prometheus")).await.text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("store_changes_refused "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_disk_that_is_full_is_503_until_there_is_room_and_nothing_is_lost() {
    let disk = SmallDisk::mounted();
    let server = Server::on(&disk.0).await;
    let mut flow = Flow::new(&server).await;
    let tokens = flow.tokens().await;
    disk.fill();
    let ask = async || flow.token(&[("grant_type", "client_credentials")]).await;
    let mut given = Vec::new();
    let until = async |status: u16, given: &mut Vec<String>| -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = ask().await;
            assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
            if answer.status == 200 {
                given.push(claviger_e2e::flow::text(&answer.json(), "access_token"));
            }
            if answer.status == status {
                return answer;
            }
            assert!(Instant::now() < deadline, "never {status}: {}", server.log());
        }
    };
    let refused = until(503, &mut given).await;
    assert_eq!(refused.error(), "temporarily_unavailable");
    assert!(!refused.header("retry-after").is_empty(), "{:?}", refused.headers);
    assert!(server.log().contains("full"), "the log says why: {}", server.log());
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert!(server.is_active(refresh).await, "reading goes on");
    // The server stays in service for those who read, and tells the operator.
    let ready = async || Http::new().get(&server.public("/health/ready")).await;
    let deadline = Instant::now() + PATIENCE;
    while ready().await.json()["warnings"]["database"].is_null() {
        assert!(matches!(ask().await.status, 200 | 503));
        assert!(Instant::now() < deadline, "readiness says nothing: {}", server.log());
    }
    assert_eq!(ready().await.status, 200);
    assert!(refused_changes(&server).await >= 5);
    std::fs::remove_file(disk.filler()).unwrap();
    until(200, &mut given).await;
    assert_eq!(ready().await.json(), serde_json::json!({ "status": "ok" }));
    assert_eq!(refused_changes(&server).await, 0);
    for token in &given {
        assert!(server.is_active(token).await);
    }
    assert_eq!(flow.refresh(refresh).await.status, 200);
    server.stop();
}
