//! Moving from Hydra: the clients of a Hydra 26.2 and of a 1.11, as their admin API lists them, come in as the documentation
//! says.

use std::path::{Path, PathBuf};

use claviger_e2e::binary::{Ran, run_with};
use claviger_e2e::{Database, Http, Request, Server, ServerOptions};
use serde_json::{Value, json};

/// Members that say when and where a client was made.
const OF_THE_SERVER: [&str; 2] = ["created_at", "updated_at"];

fn listed_by_hydra(version: &str) -> (PathBuf, Vec<Value>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("hydra/clients-{version}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    (path, serde_json::from_str(&text).unwrap())
}

/// With the settings that the Hydra had which had these clients.
async fn server(database: &Database) -> Server {
    claviger_e2e::server::migrate(database);
    let options = ServerOptions::new(database)
        .with("OIDC_SUBJECT_IDENTIFIERS_SUPPORTED_TYPES", "public,pairwise")
        .with("OIDC_SUBJECT_IDENTIFIERS_PAIRWISE_SALT", "a-salt-of-sixteen-letters");
    options.start().await
}

fn import(server: &Server, path: &Path) -> Ran {
    let (admin, file) = (server.admin(""), path.to_str().unwrap().to_owned());
    run_with(&["import", "client", "-e", &admin, &file, "--format", "json"], &[])
}

async fn clients(server: &Server) -> Vec<Value> {
    let answer = Http::new().get(&server.admin("/admin/clients?page_size=500")).await;
    serde_json::from_value(answer.json()).unwrap()
}

/// What is empty says nothing, however it is written.
fn says_something(value: &Value) -> bool {
    let nothing = [json!(null), json!(""), json!([]), json!({}), json!(false), json!(0)];
    !nothing.contains(value)
}

#[tokio::test]
async fn the_clients_of_hydra_come_in_as_they_were() {
    for version in ["26.2", "1.11"] {
        let database = Database::sqlite();
        let server = server(&database).await;
        let (path, theirs) = listed_by_hydra(version);
        let imported: Value = serde_json::from_str(&import(&server, &path).success()).unwrap();
        let imported = imported["items"]
            .as_array()
            .unwrap_or_else(|| imported.as_array().unwrap());
        assert_eq!(imported.len(), theirs.len());
        let ours = clients(&server).await;
        for client in &theirs {
            let id = &client["client_id"];
            let found = ours
                .iter()
                .find(|found| found["client_id"] == *id)
                .unwrap_or_else(|| panic!("{id}"));
            for (name, value) in client.as_object().unwrap() {
                let is_kept = found[name] == *value || OF_THE_SERVER.contains(&name.as_str());
                assert!(
                    is_kept || !says_something(value),
                    "{version}, {id}, {name}: {value} became {}",
                    found[name]
                );
            }
            // Hydra shows no secret, so a new one was made and is told, where the client has one.
            let told = imported.iter().find(|told| told["client_id"] == *id).unwrap();
            let method = client["token_endpoint_auth_method"].as_str().unwrap();
            let has_secret = method.starts_with("client_secret");
            assert_eq!(told["client_secret"].is_string(), has_secret, "{id}: {method}");
        }
        let again = import(&server, &path);
        assert_eq!(again.code, Some(1));
        assert!(again.stderr.contains("exists"), "{}", again.stderr);
        assert_eq!(clients(&server).await.len(), theirs.len(), "nothing twice");
    }
}

/// A secret that the operator knows is put into the file.
#[tokio::test]
async fn a_secret_that_was_added_works_at_once() {
    let database = Database::sqlite();
    let server = server(&database).await;
    let (_, mut theirs) = listed_by_hydra("26.2");
    theirs.retain(|client| client["client_id"] == "c-cc");
    theirs[0]["client_secret"] = json!("the-secret-that-hydra-knew");
    // As `hydra list oauth2-clients --format json` prints it.
    let printed = json!({"items": theirs, "next_page_token": "", "is_last_page": true});
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("clients.json");
    std::fs::write(&path, printed.to_string()).unwrap();
    import(&server, &path).success();
    let request = Request::post(&server.public("/oauth2/token")).basic("c-cc", "the-secret-that-hydra-knew");
    let answer = Http::new()
        .send(request.form(&[("grant_type", "client_credentials")]))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The output of the list of one server is the input of the import of another.
#[tokio::test]
async fn what_is_listed_can_be_imported() {
    let (one, other) = (Database::sqlite(), Database::sqlite());
    let (from, to) = (server(&one).await, server(&other).await);
    let (path, theirs) = listed_by_hydra("26.2");
    import(&from, &path).success();
    let listed = run_with(
        &[
            "list",
            "clients",
            "-e",
            &from.admin(""),
            "--page-size",
            "500",
            "--format",
            "json",
        ],
        &[],
    );
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("clients.json");
    std::fs::write(&path, listed.success()).unwrap();
    import(&to, &path).success();
    assert_eq!(clients(&to).await.len(), theirs.len());
}
