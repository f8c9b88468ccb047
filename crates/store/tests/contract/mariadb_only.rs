//! What only MariaDB and Galera can show.

use claviger_core::port::*;

use crate::records::*;
use crate::scene::{Scene, applied};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_thinnest_path_works() {
    let scene = Scene::mariadb().await;
    let client = scene.client("app").await;
    let access = own_access("app");
    let issue = Change::Issue {
        access: access.clone(),
        client: proof(&client),
    };
    applied(&*scene.store(), issue).await;
    assert_eq!(scene.store().access(access.id).await.unwrap().unwrap().access, access);
}
