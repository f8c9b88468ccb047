//! A private PostgreSQL cluster for the tests of one program, on loopback and without durability.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use crate::process::PATIENCE;
use crate::{Database, ports};

/// Runs the server and takes orders. When they end, as they do with this process, so does it, and its files go.
const KEEPER: &str = r#"
programs=$1 directory=$2 port=$3
serve() {
    "$programs/postgres" -D "$directory/data" -k "$directory" -c listen_addresses=127.0.0.1 -p "$port" \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=300 \
        -c shared_buffers=64MB >>"$directory/log" 2>&1 </dev/null &
    server=$!
}
end() { kill -s INT "$server" && wait "$server"; }
serve
while read -r order; do
    case $order in
        stop) end ;;
        start) serve ;;
    esac
done
end
rm -rf "$directory"
"#;

/// A running cluster, for as long as it is held.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    programs: PathBuf,
    log: PathBuf,
    orders: Mutex<ChildStdin>,
}

/// The cluster of this test program, started by the first who asks.
#[must_use]
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

impl Cluster {
    /// Starts one more cluster, for a test that stops it.
    #[must_use]
    pub fn start() -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new()
            .prefix("claviger-postgres-")
            .tempdir()
            .unwrap()
            .keep();
        let port = ports::free();
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&directory).status();
            assert!(
                owned.unwrap().success(),
                "there is no user postgres to run the database"
            );
        }
        let data = directory.join("data");
        let mut initdb = as_postgres(&programs.join("initdb"));
        initdb.args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
        ]);
        let made = initdb.arg(&data).current_dir(&directory).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut keeper = as_postgres(Path::new("sh"));
        keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(&programs)
            .arg(&directory)
            .arg(port.to_string());
        let keeper = keeper
            .current_dir(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let orders = keeper.spawn().unwrap().stdin.take().unwrap();
        let cluster = Self {
            port,
            programs,
            log: directory.join("log"),
            orders: Mutex::new(orders),
        };
        cluster.wait_until(true);
        cluster
    }

    /// Stops the server, as an operator would.
    pub fn stop(&self) {
        writeln!(self.orders.lock().unwrap(), "stop").unwrap();
        self.wait_until(false);
    }

    /// Starts the server that was stopped, on the same port and data.
    pub fn start_again(&self) {
        writeln!(self.orders.lock().unwrap(), "start").unwrap();
        self.wait_until(true);
    }

    fn wait_until(&self, ready: bool) {
        let deadline = Instant::now() + PATIENCE;
        let port = self.port.to_string();
        let is_ready = || {
            let mut ask = self.program("pg_isready");
            ask.args(["-q", "-h", "127.0.0.1", "-p", &port])
                .status()
                .unwrap()
                .success()
        };
        while is_ready() != ready {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL does not start or stop:\n{text}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// A new, empty database.
    #[must_use]
    pub fn database(&self) -> Database {
        let dsn = self.new_database();
        Database::Postgres { dsn }
    }

    /// The URL of a new, empty database.
    fn new_database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let port = self.port.to_string();
        let mut create = self.program("psql");
        create.args([
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "-c",
            &format!("CREATE DATABASE {name}"),
        ]);
        assert!(create.status().unwrap().success(), "database {name} could not be made");
        format!("postgres://postgres:secret@127.0.0.1:{port}/{name}?sslmode=disable")
    }

    /// Where it listens, on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// One of PostgreSQL's own programs.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.programs.join(name))
    }
}

/// Debian keeps them out of the path.
fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.map(|entry| entry.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    versions.retain(|directory| directory.join("initdb").exists());
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.extend(std::env::split_paths(&path).filter(|directory| directory.join("initdb").exists()));
    let found = versions
        .first()
        .expect("PostgreSQL is not installed: apt-get install postgresql");
    found.clone()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}
