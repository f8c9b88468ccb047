//! What only a file can show.

use claviger_store::{Options, open_sqlite};

use crate::scene::Scene;

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
