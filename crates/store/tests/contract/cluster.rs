//! A private PostgreSQL server for this test run: own folder, own port, loopback only, gone when the tests end.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

/// Starts the server, and takes it down when its standard input closes: that is when this process ends, however it ends.
const SCRIPT: &str = r#"
    set -e
    mkdir -m 700 "$FOLDER"
    "$BIN/initdb" -D "$FOLDER/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
    (umask 077; echo "$CERTIFICATE" >"$FOLDER/data/server.crt"; echo "$KEY" >"$FOLDER/data/server.key")
    "$BIN/postgres" -D "$FOLDER/data" -p "$PORT" -k "$FOLDER" -c listen_addresses=127.0.0.1 -c ssl=on -c fsync=off \
        -c max_connections=300 -c shared_buffers=64MB -c lc_messages=C </dev/null &
    server=$!
    cat >/dev/null
    kill -INT "$server"
    wait "$server" || true
    rm -rf "$FOLDER"
"#;

struct Cluster {
    port: u16,
    /// Its standard input keeps the server alive.
    _keeper: Child,
}

/// The URL of an empty database.
pub(crate) async fn new_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let postgres = connect(&url("postgres")).await;
    postgres
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    url(&name)
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn url(database: &str) -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let port = CLUSTER.get_or_init(start).port;
    format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable")
}

fn start() -> Cluster {
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let folder = std::env::temp_dir().join(format!("claviger-postgres-{}", std::process::id()));
    let mut keeper = shell()
        .env("BIN", binaries())
        .env("FOLDER", &folder)
        .env("CERTIFICATE", include_str!("tls/server.pem"))
        .env("KEY", include_str!("tls/server.key"))
        .env("PORT", port.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh and, for root, setpriv (package util-linux) are needed to start PostgreSQL");
    let mut log = BufReader::new(keeper.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    loop {
        let Some(Ok(line)) = log.next() else {
            panic!("PostgreSQL did not start:\n{}", said.join("\n"));
        };
        if line.contains("ready to accept connections") {
            break;
        }
        said.push(line);
    }
    // A full pipe would stop the server.
    std::thread::spawn(move || log.for_each(drop));
    Cluster { port, _keeper: keeper }
}

/// PostgreSQL refuses to run as root.
fn shell() -> Command {
    let id = Command::new("id").arg("-u").output().expect("the command id");
    if id.stdout.trim_ascii() != b"0" {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]);
        return command;
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=postgres",
        "--regid=postgres",
        "--clear-groups",
        "sh",
        "-c",
        SCRIPT,
    ]);
    command
}

pub(crate) fn binaries() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let mut folders = found.into_iter().rev().chain(on_path);
    folders.find(|folder| folder.join("initdb").is_file()).expect(
        "these tests need PostgreSQL 15 or later, which is not installed: \
         run `apt-get install postgresql`, or put its `initdb` and `postgres` on PATH",
    )
}
