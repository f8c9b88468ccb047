//! One database for one test, and the steps that many tests begin with.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use claviger_core::port::*;
use claviger_store::{Database, Options, open_mysql, open_postgres, open_sqlite};
use mysql_async::prelude::Queryable;
use tempfile::TempDir;

use crate::records::*;
use crate::rotating::Rotating;
use crate::{cluster, galera, mariadb, pgbouncer};

enum Place {
    File(TempDir),
    Memory,
    Postgres(String),
    Mariadb(String),
    /// The same database on each server.
    Galera(Vec<String>),
}

/// An open, migrated database.
pub(crate) struct Scene {
    pub(crate) database: Database,
    /// The other servers of a cluster.
    others: Vec<Database>,
    turn: Arc<AtomicUsize>,
    place: Place,
}

impl Scene {
    pub(crate) async fn sqlite_file() -> Self {
        Self::migrated(Place::File(tempfile::tempdir().unwrap())).await
    }

    pub(crate) async fn sqlite_memory() -> Self {
        Self::migrated(Place::Memory).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::migrated(Place::Postgres(cluster::new_database().await)).await
    }

    pub(crate) async fn pgbouncer() -> Self {
        Self::migrated(Place::Postgres(pgbouncer::new_database().await)).await
    }

    pub(crate) async fn mariadb() -> Self {
        Self::migrated(Place::Mariadb(mariadb::new_database().await)).await
    }

    pub(crate) async fn galera() -> Self {
        Self::migrated(Place::Galera(galera::new_database().await)).await
    }

    async fn migrated(place: Place) -> Self {
        let scene = Self::opened(place).await;
        scene.database.migrate(&|_| ()).await.unwrap();
        scene
    }

    async fn opened(place: Place) -> Self {
        let mut others = Vec::new();
        if let Place::Galera(urls) = &place {
            for url in &urls[1..] {
                others.push(open_mysql(url, Options::default()).await.unwrap());
            }
        }
        Self {
            database: open(&place).await,
            others,
            turn: Arc::default(),
            place,
        }
    }

    /// The store; on a cluster each operation goes to another server than the one before.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        if self.others.is_empty() {
            return self.database.store();
        }
        let servers = [&self.database].into_iter().chain(&self.others);
        Arc::new(Rotating {
            stores: servers.map(Database::store).collect(),
            turn: self.turn.clone(),
        })
    }

    /// A second server on the same database; none if it is in memory.
    pub(crate) async fn second_server(&self) -> Option<Database> {
        match &self.place {
            Place::Memory => None,
            Place::Galera(urls) => Some(open_mysql(&urls[1], Options::default()).await.unwrap()),
            place => Some(open(place).await),
        }
    }

    /// A database of the same kind without a table in it.
    pub(crate) async fn unmigrated(&self) -> Self {
        let place = match &self.place {
            Place::File(_) => Place::File(tempfile::tempdir().unwrap()),
            Place::Memory => Place::Memory,
            Place::Postgres(url) if url.contains("pgbouncer") => Place::Postgres(pgbouncer::new_database().await),
            Place::Postgres(_) => Place::Postgres(cluster::new_database().await),
            Place::Mariadb(_) => Place::Mariadb(mariadb::new_database().await),
            Place::Galera(_) => Place::Galera(galera::new_database().await),
        };
        Self::opened(place).await
    }

    /// Stores to spread concurrent tasks over: two servers where that is possible, and all of a cluster.
    pub(crate) async fn stores(&self) -> (Vec<Arc<dyn Store>>, Option<Database>) {
        let mut stores = vec![self.database.store()];
        if !self.others.is_empty() {
            stores.extend(self.others.iter().map(Database::store));
            return (stores, None);
        }
        let second = self.second_server().await;
        stores.extend(second.as_ref().map(Database::store));
        (stores, second)
    }

    pub(crate) fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::File(folder) => Some(folder.path().join("test.sqlite")),
            _ => None,
        }
    }

    pub(crate) fn postgres_url(&self) -> Option<&str> {
        match &self.place {
            Place::Postgres(url) => Some(url),
            _ => None,
        }
    }

    pub(crate) fn mariadb_url(&self) -> Option<&str> {
        match &self.place {
            Place::Mariadb(url) => Some(url),
            _ => None,
        }
    }

    /// The servers of a cluster, each by itself.
    pub(crate) fn nodes(&self) -> Vec<&Database> {
        [&self.database].into_iter().chain(&self.others).collect()
    }

    /// Runs SQL beside the store.
    pub(crate) async fn sql(&self, sql: &str) -> bool {
        match &self.place {
            Place::Memory => return false,
            Place::File(_) => {
                let connection = rusqlite::Connection::open(self.file().unwrap()).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            Place::Postgres(url) => cluster::connect(url.trim_end_matches("&pgbouncer=true"))
                .await
                .batch_execute(sql)
                .await
                .unwrap(),
            Place::Mariadb(url) => mariadb::beside(url).await.query_drop(sql).await.unwrap(),
            Place::Galera(urls) => mariadb::beside(&urls[0]).await.query_drop(sql).await.unwrap(),
        }
        true
    }

    /// What a count says, asked beside the store of a database that is not in memory.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        match &self.place {
            Place::Memory => panic!("nobody else reaches a database in memory"),
            Place::File(_) => {
                let connection = rusqlite::Connection::open(self.file().unwrap()).unwrap();
                connection.query_row(sql, [], |row| row.get(0)).unwrap()
            }
            Place::Postgres(url) => {
                let beside = cluster::connect(url.trim_end_matches("&pgbouncer=true")).await;
                beside.query_one(sql, &[]).await.unwrap().get(0)
            }
            Place::Mariadb(url) => mariadb::beside(url).await.query_first(sql).await.unwrap().unwrap(),
            Place::Galera(urls) => mariadb::beside(&urls[0]).await.query_first(sql).await.unwrap().unwrap(),
        }
    }

    /// A client as the database has it.
    pub(crate) async fn client(&self, id: &str) -> ClientRecord {
        let store = self.store();
        assert_eq!(
            store.apply(Change::CreateClient(client(id))).await.unwrap(),
            Outcome::Applied
        );
        read_client(&*store, id).await
    }

    /// A grant with its code, at the end of a flow.
    pub(crate) async fn coded(&self, grant: GrantRecord) -> (Arc<GrantRecord>, CodeRecord) {
        let store = self.store();
        let flow = answered(&*store, flow()).await;
        let code = code(&grant);
        applied(&*store, consented(grant.clone(), code.clone(), &flow)).await;
        (Arc::new(grant), code)
    }

    /// A redeemed code: client, grant and refresh token; the access token has the same id.
    pub(crate) async fn redeemed(&self, name: &str) -> (ClientRecord, Arc<GrantRecord>, RefreshRecord) {
        let client = self.client(name).await;
        let (grant, code) = self.coded(grant(name)).await;
        let refresh = refresh(grant.id);
        applied(&*self.store(), redeem(&code, &refresh, &client)).await;
        (client, grant, refresh)
    }
}

async fn open(place: &Place) -> Database {
    match place {
        Place::File(folder) => open_sqlite(Some(&folder.path().join("test.sqlite")), Options::default())
            .await
            .unwrap(),
        Place::Memory => open_sqlite(None, Options::default()).await.unwrap(),
        Place::Postgres(url) => open_postgres(url, Options::default()).await.unwrap(),
        Place::Mariadb(url) => open_mysql(url, Options::default()).await.unwrap(),
        Place::Galera(urls) => open_mysql(&urls[0], Options::default()).await.unwrap(),
    }
}

pub(crate) async fn read_client(store: &dyn Store, id: &str) -> ClientRecord {
    let found = store.client(id, Freshness::Latest).await.unwrap();
    ClientRecord::clone(&found.expect("the client is there"))
}

/// Answers a login and reads the flow back.
pub(crate) async fn answered(store: &dyn Store, flow: FlowRecord) -> FlowRecord {
    let id = flow.id;
    applied(store, Change::AnswerLogin { flow }).await;
    let found = store.flow(id, Freshness::Latest).await.unwrap();
    FlowRecord::clone(&found.expect("the flow is there"))
}

pub(crate) fn redeem(code: &CodeRecord, refresh: &RefreshRecord, client: &ClientRecord) -> Change {
    Change::Redeem {
        code: code.id,
        at: NOW,
        access: access_with(refresh),
        refresh: Some(refresh.clone()),
        client: proof(client),
        resealed: None,
    }
}

pub(crate) fn rotate(old: &RefreshRecord, new: &RefreshRecord, client: &ClientRecord) -> Change {
    Change::Rotate {
        old: old.id,
        at: NOW,
        access: access_with(new),
        refresh: new.clone(),
        client: proof(client),
        keep_grant: LATER,
        resealed: None,
    }
}

pub(crate) async fn applied(store: &dyn Store, change: Change) {
    let text = format!("{change:?}");
    assert_eq!(store.apply(change).await.unwrap(), Outcome::Applied, "{text}");
}

pub(crate) async fn lost(store: &dyn Store, change: Change) {
    let text = format!("{change:?}");
    assert_eq!(store.apply(change).await.unwrap(), Outcome::LostRace, "{text}");
}
