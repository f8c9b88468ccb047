//! One database for one test, and the steps that many tests begin with.

use std::path::PathBuf;
use std::sync::Arc;

use claviger_core::port::*;
use claviger_store::{Database, Options, open_postgres, open_sqlite};
use tempfile::TempDir;

use crate::cluster;
use crate::records::*;

enum Place {
    File(TempDir),
    Memory,
    Postgres(String),
}

/// An open, migrated database.
pub(crate) struct Scene {
    pub(crate) database: Database,
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

    async fn migrated(place: Place) -> Self {
        let database = open(&place).await;
        database.migrate(&|_| ()).await.unwrap();
        Self { database, place }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.database.store()
    }

    /// A second server on the same database; none if it is in memory.
    pub(crate) async fn second_server(&self) -> Option<Database> {
        match &self.place {
            Place::Memory => None,
            place => Some(open(place).await),
        }
    }

    /// A database of the same kind without a table in it.
    pub(crate) async fn unmigrated(&self) -> Self {
        let place = match &self.place {
            Place::File(_) => Place::File(tempfile::tempdir().unwrap()),
            Place::Memory => Place::Memory,
            Place::Postgres(_) => Place::Postgres(cluster::new_database().await),
        };
        let database = open(&place).await;
        Self { database, place }
    }

    /// Stores to spread concurrent tasks over: two servers where that is possible.
    pub(crate) async fn stores(&self) -> (Vec<Arc<dyn Store>>, Option<Database>) {
        let second = self.second_server().await;
        let mut stores = vec![self.store()];
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

    /// Runs SQL beside the store.
    pub(crate) async fn sql(&self, sql: &str) -> bool {
        match &self.place {
            Place::Memory => return false,
            Place::File(_) => {
                let connection = rusqlite::Connection::open(self.file().unwrap()).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            Place::Postgres(url) => cluster::connect(url).await.batch_execute(sql).await.unwrap(),
        }
        true
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
