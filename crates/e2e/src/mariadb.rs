//! A private MariaDB server for the tests of one program, on loopback and without durability.

use std::io::{BufRead, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::{Database, ports};

/// Runs the server and takes orders. When they end, as they do with this process, so does it, and its files go.
const KEEPER: &str = r#"
PATH="$PATH:/usr/sbin:/usr/local/sbin"
folder=$1 port=$2
mkdir -m 700 "$folder" && cd "$folder" || exit 1
mariadb-install-db --no-defaults --datadir="$folder/data" --auth-root-authentication-method=normal --skip-test-db \
    --innodb-log-file-size=16M 2>&1 || exit 1
serve() {
    mariadbd --no-defaults --datadir="$folder/data" --port="$port" --bind-address=127.0.0.1 --socket="$folder/socket" \
        --pid-file="$folder/pid" --skip-name-resolve --max-connections=500 --innodb-log-file-size=16M \
        --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M >"$folder/log" 2>&1 </dev/null &
    server=$!
    until grep -q "ready for connections" log; do
        kill -0 "$server" 2>/dev/null || { cat log; rm -rf "$folder"; exit 1; }
        sleep 0.05
    done
}
end() { kill "$server" && wait "$server"; }
serve
mariadb --no-defaults --socket="$folder/socket" --user=root \
    --execute="CREATE USER hydra@'127.0.0.1' IDENTIFIED BY 'se?cr/et'; GRANT ALL ON *.* TO hydra@'127.0.0.1'" || exit 1
echo done
while read -r order; do
    case $order in
        stop) end ;;
        start) serve ;;
    esac
    echo done
done
end
rm -rf "$folder"
"#;

/// A running server, for as long as it is held.
#[derive(Debug)]
pub struct Mariadb {
    port: u16,
    orders: Mutex<(ChildStdin, Said)>,
    /// Ends by itself.
    _keeper: Child,
}

/// What the keeper says: a line for each order that is carried out.
type Said = Lines<BufReader<ChildStdout>>;

/// The server of this test program, started by the first who asks.
#[must_use]
pub fn server() -> &'static Mariadb {
    static SERVER: OnceLock<Mariadb> = OnceLock::new();
    SERVER.get_or_init(Mariadb::start)
}

impl Mariadb {
    /// Starts one more server, for a test that stops it.
    #[must_use]
    pub fn start() -> Self {
        let port = ports::free();
        let memory = std::path::Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = parent.join(format!("claviger-e2e-mariadb-{}-{port}", std::process::id()));
        let mut keeper = as_mysql()
            .args(["sh", "-c", KEEPER, "keeper"])
            .arg(folder)
            .arg(port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("runuser is needed to run the database");
        let mut said = BufReader::new(keeper.stdout.take().unwrap()).lines();
        wait(&mut said);
        let orders = Mutex::new((keeper.stdin.take().unwrap(), said));
        Self {
            port,
            orders,
            _keeper: keeper,
        }
    }

    /// Stops the server, as an operator would.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Starts the server that was stopped, on the same port and data.
    pub fn start_again(&self) {
        self.order("start");
    }

    fn order(&self, order: &str) {
        let mut orders = self.orders.lock().unwrap();
        let (to, said) = &mut *orders;
        writeln!(to, "{order}").unwrap();
        wait(said);
    }

    /// A new, empty database.
    #[must_use]
    pub fn database(&self) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let made = self
            .program("mariadb")
            .arg(format!("--execute=CREATE DATABASE {name}"))
            .status();
        assert!(made.unwrap().success(), "database {name} could not be made");
        let port = self.port;
        Database::Mariadb {
            // As Hydra takes it, with a password that a URL would encode.
            dsn: format!("mysql://hydra:se?cr/et@tcp(127.0.0.1:{port})/{name}?parseTime=true&max_conns=20"),
            name,
        }
    }

    /// One of MariaDB's own programs, let in.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .arg("--no-defaults")
            .args(["--host=127.0.0.1", "--user=hydra", "--password=se?cr/et"])
            .arg(format!("--port={}", self.port));
        command
    }
}

fn wait(said: &mut Said) {
    let mut log = Vec::new();
    loop {
        let Some(Ok(line)) = said.next() else {
            panic!(
                "MariaDB is not installed (apt-get install mariadb-server) or did not start:\n{}",
                log.join("\n")
            );
        };
        if line == "done" {
            return;
        }
        log.push(line);
    }
}

/// MariaDB refuses to run as root.
fn as_mysql() -> Command {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new("env");
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "mysql", "--"]);
    command
}
