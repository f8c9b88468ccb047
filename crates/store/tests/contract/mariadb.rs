//! A private MariaDB server for this test run: own folder, own port, loopback only, gone when the tests end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

use crate::keeper::{self, Keeper};

const SCRIPT: &str = r#"
    PATH="$PATH:/usr/sbin:/usr/local/sbin"
    mkdir -m 700 "$FOLDER" && cd "$FOLDER" || exit 1
    mariadb-install-db --no-defaults --datadir="$FOLDER/data" --auth-root-authentication-method=normal --skip-test-db \
        --innodb-log-file-size=16M 2>&1 || exit 1
    (umask 077; echo "$CERTIFICATE" >server.pem; echo "$KEY" >server.key)
    mariadbd --no-defaults --datadir="$FOLDER/data" --port="$PORT" --bind-address=127.0.0.1 --socket="$FOLDER/socket" \
        --pid-file="$FOLDER/pid" --skip-name-resolve --max-connections=1000 --character-set-server=latin1 --sql-mode= \
        --ssl-cert="$FOLDER/server.pem" --ssl-key="$FOLDER/server.key" \
        --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M --table-open-cache=4000 \
        >"$FOLDER/log" 2>&1 </dev/null &
    server=$!
    until grep -q "ready for connections" log; do
        kill -0 "$server" 2>/dev/null || { cat log; rm -rf "$FOLDER"; exit 1; }
        sleep 0.05
    done
    echo ready
    cat >/dev/null
    kill "$server"
    wait "$server"
    rm -rf "$FOLDER"
"#;

struct Server {
    port: u16,
    _keeper: Keeper,
}

/// The address of an empty database, in the form of Go's driver.
pub(crate) async fn new_database() -> String {
    new_databases(&[port()]).await.remove(0)
}

/// The address of the same empty database on each server of a cluster.
pub(crate) async fn new_databases(ports: &[u16]) -> Vec<String> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut conn = connect(ports[0], None).await;
    conn.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
    for port in &ports[1..] {
        // The other servers of a cluster wait until they have it too.
        let mut conn = connect(*port, None).await;
        conn.query_drop(format!(
            "SET SESSION wsrep_sync_wait = 15; SELECT COUNT(*) FROM mysql.db; USE {name}"
        ))
        .await
        .unwrap();
    }
    ports
        .iter()
        .map(|port| format!("mysql://root@tcp(127.0.0.1:{port})/{name}?parseTime=true"))
        .collect()
}

/// A connection beside the store.
pub(crate) async fn connect(port: u16, database: Option<&str>) -> Conn {
    let opts = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("root"))
        .db_name(database)
        .prefer_socket(false);
    Conn::new(opts).await.unwrap()
}

/// A connection to the database of an address that was given here.
pub(crate) async fn beside(url: &str) -> Conn {
    let (server, database) = url.split_once(")/").unwrap();
    let port = server.rsplit_once(':').unwrap().1.parse().unwrap();
    connect(port, database.split('?').next()).await
}

/// The settings of this server are those that a careful operator does not have: another character set, no strict mode.
fn port() -> u16 {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start).port
}

fn start() -> Server {
    let [port] = keeper::free_ports();
    let environment = [
        ("FOLDER", keeper::folder("mariadb").display().to_string()),
        ("PORT", port.to_string()),
        ("CERTIFICATE", include_str!("tls/server.pem").to_owned()),
        ("KEY", include_str!("tls/server.key").to_owned()),
    ];
    let keeper = keeper::start("mysql", SCRIPT, &environment);
    Server { port, _keeper: keeper }
}
