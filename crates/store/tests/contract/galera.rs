//! A private Galera cluster of three MariaDB servers for this test run, on loopback only, gone when the tests end.

use std::sync::OnceLock;

use crate::keeper::{self, Keeper};
use crate::mariadb;

const SCRIPT: &str = r#"
    PATH="$PATH:/usr/sbin:/usr/local/sbin"
    mkdir -m 700 "$FOLDER" && cd "$FOLDER" || exit 1
    export TMPDIR="$FOLDER"
    mariadb-install-db --no-defaults --datadir="$FOLDER/1" --auth-root-authentication-method=normal --skip-test-db \
        --innodb-log-file-size=16M >install 2>&1 || { cat install; exit 1; }
    cp -r 1 2 && cp -r 1 3
    # node NUMBER PORT GROUP SST IST OPTION...
    node() {
        number=$1 port=$2 group=$3 sst=$4 ist=$5
        shift 5
        mariadbd --no-defaults --datadir="$FOLDER/$number" --port="$port" --bind-address=127.0.0.1 \
            --socket="$FOLDER/socket$number" --pid-file="$FOLDER/pid$number" --skip-name-resolve --max-connections=500 \
            --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=48M \
            --binlog-format=ROW --innodb-autoinc-lock-mode=2 --wsrep-on=ON --wsrep-slave-threads=2 \
            --wsrep-provider="$PROVIDER" --wsrep-cluster-name="$FOLDER" \
            --wsrep-cluster-address="gcomm://127.0.0.1:$GROUP1,127.0.0.1:$GROUP2,127.0.0.1:$GROUP3" \
            --wsrep-node-address="127.0.0.1:$group" --wsrep-node-name="node$number" --wsrep-sst-method=rsync \
            --wsrep-sst-receive-address="127.0.0.1:$sst" \
            --wsrep-provider-options="base_port=$group;gmcast.listen_addr=tcp://127.0.0.1:$group;ist.recv_addr=127.0.0.1:$ist;gcache.size=16M;pc.recovery=no;$TIMEOUTS" \
            "$@" >"log$number" 2>&1 </dev/null &
        server=$!
        tries=0
        until mariadb --no-defaults --socket="$FOLDER/socket$number" --user=root --skip-column-names --silent \
                --execute="SHOW STATUS LIKE 'wsrep_local_state_comment'" 2>/dev/null | grep -q Synced; do
            tries=$((tries + 1))
            if [ "$tries" = 600 ] || ! kill -0 "$server" 2>/dev/null; then
                cat "log$number"
                stop
                exit 1
            fi
            sleep 0.2
        done
        servers="$server $servers"
    }
    stop() {
        for server in $servers; do
            kill -9 "$server" 2>/dev/null
        done
        wait
        rm -rf "$FOLDER"
    }
    servers=
    node 1 "$PORT1" "$GROUP1" "$SST1" "$IST1" --wsrep-new-cluster
    node 2 "$PORT2" "$GROUP2" "$SST2" "$IST2"
    node 3 "$PORT3" "$GROUP3" "$SST3" "$IST3"
    echo ready
    # "kill NUMBER" and "start NUMBER", until the tests end.
    while read -r what number; do
        case "$what" in
            kill) kill -9 "$(cat "pid$number")" ;;
            start) eval "node $number \"\$PORT$number\" \"\$GROUP$number\" \"\$SST$number\" \"\$IST$number\"" ;;
        esac
    done
    stop
"#;

/// Busy machines are slow, and nobody dies here.
const PATIENT: &str = "evs.suspect_timeout=PT60S;evs.inactive_timeout=PT90S;evs.install_timeout=PT60S";
/// So that the others go on soon after one of them died.
const QUICK: &str =
    "evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S;evs.install_timeout=PT6S";

/// Three servers.
pub(crate) struct Cluster {
    ports: [u16; 3],
    keeper: Keeper,
}

impl Cluster {
    /// A cluster whose servers may be killed.
    pub(crate) fn mortal() -> Self {
        // The name of a cluster has at most 32 characters, and is that of its folder.
        Self::start("mortal", QUICK)
    }

    /// The addresses of an empty database on all three servers.
    pub(crate) async fn new_database(&self) -> Vec<String> {
        mariadb::new_databases(&self.ports).await
    }

    /// Ends a server, counted from 1, as a power cut does.
    pub(crate) fn kill(&mut self, number: usize) {
        self.keeper.tell(&format!("kill {number}"));
    }

    /// Starts a server that was killed. It joins the others some time later.
    pub(crate) fn restart(&mut self, number: usize) {
        self.keeper.tell(&format!("start {number}"));
    }

    fn start(name: &str, timeouts: &str) -> Self {
        let ports: [u16; 12] = keeper::free_ports();
        let mut environment = vec![
            ("FOLDER", keeper::folder(name).display().to_string()),
            ("PROVIDER", provider()),
            ("TIMEOUTS", timeouts.to_owned()),
        ];
        let names = [
            "PORT1", "PORT2", "PORT3", "GROUP1", "GROUP2", "GROUP3", "SST1", "SST2", "SST3", "IST1", "IST2", "IST3",
        ];
        environment.extend(names.into_iter().zip(ports.map(|port| port.to_string())));
        Self {
            ports: [ports[0], ports[1], ports[2]],
            keeper: keeper::start("mysql", SCRIPT, &environment),
        }
    }
}

/// The addresses of an empty database on all three servers of the cluster that the tests share.
pub(crate) async fn new_database() -> Vec<String> {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER
        .get_or_init(|| Cluster::start("galera", PATIENT))
        .new_database()
        .await
}

fn provider() -> String {
    let places = [
        "/usr/lib/galera",
        "/usr/lib64/galera-4",
        "/usr/lib64/galera",
        "/usr/lib/libgalera",
    ];
    let files = places.map(|place| format!("{place}/libgalera_smm.so"));
    let found = files.into_iter().find(|file| std::path::Path::new(file).is_file());
    found.expect("these tests need Galera, which is not installed: run `apt-get install mariadb-server galera-4 rsync`")
}
