//! PgBouncer in transaction mode before the PostgreSQL server of this test run, on loopback, gone when the tests end.

use std::sync::OnceLock;

use crate::cluster;
use crate::keeper::{self, Keeper};

/// Two connections to the server for any number of ours, so that transactions of one connection go over both.
const SCRIPT: &str = r#"
    PATH="$PATH:/usr/sbin:/usr/local/sbin"
    mkdir -m 700 "$FOLDER" && cd "$FOLDER" || exit 1
    echo '"postgres" ""' >users
    cat >ini <<INI
[databases]
* = host=127.0.0.1 port=$SERVER
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $PORT
unix_socket_dir =
auth_type = trust
auth_file = $FOLDER/users
pool_mode = transaction
default_pool_size = 2
max_client_conn = 2000
server_round_robin = 1
logfile = $FOLDER/log
INI
    pgbouncer ini >output 2>&1 </dev/null &
    server=$!
    until grep -q "process up" log output 2>/dev/null; do
        kill -0 "$server" 2>/dev/null || { cat output; rm -rf "$FOLDER"; exit 1; }
        sleep 0.05
    done
    echo ready
    cat >/dev/null
    kill "$server"
    wait "$server"
    rm -rf "$FOLDER"
"#;

struct Pooler {
    port: u16,
    _keeper: Keeper,
}

/// The URL of an empty database by way of the pooler.
pub(crate) async fn new_database() -> String {
    pooled(&cluster::new_database().await)
}

/// The same database by way of the pooler.
pub(crate) fn pooled(direct: &str) -> String {
    static POOLER: OnceLock<Pooler> = OnceLock::new();
    let (server, database) = direct.rsplit_once('/').unwrap();
    let server = server.rsplit_once(':').unwrap().1;
    let port = POOLER.get_or_init(|| start(server)).port;
    format!("postgres://postgres@127.0.0.1:{port}/{database}&pgbouncer=true")
}

fn start(server: &str) -> Pooler {
    let [port] = keeper::free_ports();
    let environment = [
        ("FOLDER", keeper::folder("pgbouncer").display().to_string()),
        ("PORT", port.to_string()),
        ("SERVER", server.to_owned()),
    ];
    let keeper = keeper::start("postgres", SCRIPT, &environment);
    Pooler { port, _keeper: keeper }
}
