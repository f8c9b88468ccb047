//! What only a file can show.

use claviger_core::port::*;
use claviger_store::{BackupError, Options, open_sqlite};

use crate::records::*;
use crate::scene::{Scene, applied};

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let scene = Scene::sqlite_file().await;
    scene.client("app").await;
    let folder = std::fs::read_dir(scene.file().unwrap().parent().unwrap()).unwrap();
    for file in folder {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_named() {
    let missing = std::path::Path::new("/nonexistent/folder/claviger.sqlite");
    let refusal = open_sqlite(Some(missing), Options::default()).await.err().unwrap();
    assert!(
        refusal.to_string().contains("/nonexistent/folder/claviger.sqlite"),
        "{refusal}"
    );
}

/// Everything that was answered before the backup began is in it, and it opens as a database of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_holds_every_token_that_was_answered() {
    let scene = Scene::sqlite_file().await;
    let client = scene.client("app").await;
    let store = scene.store();
    let folder = tempfile::tempdir().unwrap();
    let issue = |access: &AccessRecord| Change::Issue {
        access: access.clone(),
        client: proof(&client),
    };
    let answered: Vec<_> = (0..500).map(|_| own_access("app")).collect();
    for access in &answered {
        applied(&*store, issue(access)).await;
    }
    let during: Vec<_> = (0..2000).map(|_| own_access("app")).collect();
    let (load, file) = (store.clone(), folder.path().join("copy.sqlite"));
    let changes: Vec<_> = during.iter().map(issue).collect();
    let (started, wait) = tokio::sync::oneshot::channel();
    let writing = tokio::spawn(async move {
        let mut started = Some(started);
        for (position, change) in changes.into_iter().enumerate() {
            assert_eq!(load.apply(change).await.unwrap(), Outcome::Applied);
            if position == 50 {
                started.take().unwrap().send(()).unwrap();
            }
        }
    });
    wait.await.unwrap();
    // Another handle, as the command is another process.
    let second = scene.second_server().await.unwrap();
    second.backup(&file).await.unwrap();
    writing.await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(names, ["copy.sqlite"], "nothing is left beside it");
    let copy = open_sqlite(Some(&file), Options::default()).await.unwrap();
    let restored = copy.store();
    assert_eq!(restored.schema().await.unwrap(), SchemaStatus::Current);
    for access in answered.iter().chain(&during[..51]) {
        let found = restored.access(access.id).await.unwrap();
        assert_eq!(found.map(|facts| facts.access).as_ref(), Some(access));
    }
    // It is whole, and goes on by itself.
    applied(&*restored, issue(&own_access("app"))).await;
    copy.close().await;
    let check = rusqlite::Connection::open(&file).unwrap();
    let integrity: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_behind_when_it_fails() {
    let scene = Scene::sqlite_file().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("precious");
    std::fs::write(&file, "precious").unwrap();
    let refusal = scene.database.backup(&file).await.unwrap_err();
    assert!(refusal.to_string().contains("nothing is overwritten"), "{refusal}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let nowhere = folder.path().join("missing/copy.sqlite");
    let refusal = scene.database.backup(&nowhere).await.unwrap_err();
    assert!(matches!(refusal, BackupError::File { .. }), "{refusal}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // Reading goes on as before, and cannot write.
    scene.client("app").await;
}

/// What an interrupted backup leaves has another name than a whole one, and is somebody else's until a person says so.
#[tokio::test]
async fn a_partial_backup_of_somebody_else_is_left_alone_and_named() {
    let scene = Scene::sqlite_file().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.sqlite");
    let partial = folder.path().join("copy.sqlite.partial");
    std::fs::write(&partial, "of another").unwrap();
    let refusal = scene.database.backup(&file).await.unwrap_err().to_string();
    assert!(refusal.contains("copy.sqlite.partial cannot be made"), "{refusal}");
    assert_eq!(std::fs::read_to_string(&partial).unwrap(), "of another");
    assert!(!file.exists(), "no name without a whole copy");
    std::fs::remove_file(&partial).unwrap();
    scene.database.backup(&file).await.unwrap();
    assert!(file.exists() && !partial.exists());
}

/// On a server that nobody asks for a change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_finds_out_whether_changes_are_taken_again() {
    let scene = Scene::sqlite_file().await;
    let quick = Options {
        patience: std::time::Duration::from_millis(5),
        ..Options::default()
    };
    let database = open_sqlite(scene.file().as_deref(), quick).await.unwrap();
    let (store, refused) = (database.store(), database.refused());
    let other = rusqlite::Connection::open(scene.file().unwrap()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..5 {
        let outcome = store.apply(Change::AnswerLogin { flow: flow() }).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
    assert!(store.purge(NOW, 10).await.unwrap().busy);
    assert!(refused.is_lasting());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.purge(NOW, 10).await.unwrap(), Purged::default());
    assert_eq!(refused.in_a_row(), 0);
    // What it wrote for that is gone with the next one.
    assert_eq!(store.purge(NOW, 10).await.unwrap().rows, 1);
    assert_eq!(store.purge(NOW, 10).await.unwrap().rows, 0);
}

#[tokio::test]
async fn other_databases_say_how_they_are_backed_up() {
    let file = std::path::Path::new("/nonexistent/copy");
    for (scene, tool) in [
        (Scene::postgres().await, "pg_dump"),
        (Scene::mariadb().await, "mariadb-dump"),
        (Scene::sqlite_memory().await, "in memory"),
    ] {
        let refusal = scene.database.backup(file).await.unwrap_err();
        assert!(refusal.to_string().contains(tool), "{refusal}");
    }
}
