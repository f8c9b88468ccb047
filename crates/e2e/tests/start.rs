//! What a server makes of its configuration: where settings come from, and what it refuses to start with.

use claviger_e2e::process::Process;
use claviger_e2e::server::SECRET;
use claviger_e2e::{Database, Http, Request, Server, ServerOptions};

/// What a server that cannot start says: one line, and exit status 1.
fn refusal(process: &mut Process) -> String {
    let status = process.wait();
    let output = process.output();
    assert_eq!(status.code(), Some(1), "{output}");
    let output = output.trim();
    assert_eq!(output.lines().count(), 1, "more than one line:\n{output}");
    output.to_owned()
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_one_line() {
    let database = Database::sqlite();
    let port = claviger_e2e::postgres::cluster().port();
    let unknown = format!("postgres://postgres@127.0.0.1:{port}/no_such_database?sslmode=disable");
    let cases = [
        ("SECRETS_SYSTEM", "short", "secrets.system"),
        ("DSN", "oracle://127.0.0.1/db", "postgres://"),
        ("DSN", &unknown, "no_such_database"),
        ("SERVE_PUBLIC_PORT", "many", "serve.public.port"),
    ];
    for (variable, value, told) in cases {
        let line = refusal(&mut ServerOptions::new(&database).with(variable, value).spawn());
        assert!(line.contains(told), "{variable}={value}: {line}");
    }
}

#[test]
fn an_unknown_key_in_a_file_is_refused_and_the_nearest_one_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("claviger.yml");
    std::fs::write(&file, "serve:\n  public:\n    prot: 4444\n").unwrap();
    let mut options = ServerOptions::new(&Database::sqlite());
    options.args.extend(["-c".to_owned(), file.display().to_string()]);
    let line = refusal(&mut options.spawn());
    assert!(
        line.contains("serve.public.prot") && line.contains("serve.public.port"),
        "{line}"
    );
}

#[test]
fn a_port_in_use_is_named() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    for admin in [false, true] {
        let options = ServerOptions::new(&database);
        let port = if admin { options.admin_port } else { options.public_port };
        let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut process = options.spawn();
        let status = process.wait();
        let output = process.output();
        assert_eq!(status.code(), Some(1), "{output}");
        let last = output.trim().lines().last().unwrap_or_default();
        assert!(last.contains(&port.to_string()), "{output}");
        drop(taken);
    }
}

#[tokio::test]
async fn the_same_settings_work_from_every_kind_of_file() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    for extension in ["yaml", "json", "toml"] {
        let directory = tempfile::tempdir().unwrap();
        let mut options = ServerOptions::new(&database);
        let (public, admin, dsn) = (options.public_port, options.admin_port, database.dsn());
        let issuer = format!("http://127.0.0.1:{public}/from-{extension}");
        let text = match extension {
            "yaml" => format!(
                "dsn: {dsn}\nsecrets:\n  system: [{SECRET}]\nurls:\n  self:\n    issuer: {issuer}\n  \
                 login: http://127.0.0.1:3000/login\n  consent: http://127.0.0.1:3000/consent\nserve:\n  \
                 public:\n    port: {public}\n    host: 127.0.0.1\n  admin:\n    port: 1\n"
            ),
            "json" => serde_json::json!({
                "dsn": dsn, "secrets": {"system": [SECRET]},
                "urls": {"self": {"issuer": issuer}, "login": "http://127.0.0.1:3000/login",
                         "consent": "http://127.0.0.1:3000/consent"},
                "serve": {"public": {"port": public, "host": "127.0.0.1"}, "admin": {"port": 1}},
            })
            .to_string(),
            _ => format!(
                "dsn = \"{dsn}\"\n[secrets]\nsystem = [\"{SECRET}\"]\n[urls]\nself.issuer = \"{issuer}\"\n\
                 login = \"http://127.0.0.1:3000/login\"\nconsent = \"http://127.0.0.1:3000/consent\"\n\
                 [serve]\npublic.port = {public}\npublic.host = \"127.0.0.1\"\nadmin.port = 1\n"
            ),
        };
        let file = directory.path().join(format!("claviger.{extension}"));
        std::fs::write(&file, text).unwrap();
        options.args.extend(["--config".to_owned(), file.display().to_string()]);
        // The file's admin port could not be bound to: the environment wins.
        options.variables = vec![("SERVE_ADMIN_PORT".to_owned(), admin.to_string())];
        let server = options.start().await;
        let answer = Http::new()
            .get(&server.public("/.well-known/openid-configuration"))
            .await;
        assert_eq!(answer.json()["issuer"], issuer);
    }
}

#[tokio::test]
async fn each_port_can_be_served_alone() {
    let database = Database::sqlite();
    claviger_e2e::server::migrate(&database);
    for (word, public, admin) in [("public", true, false), ("admin", false, true)] {
        let mut options = ServerOptions::new(&database);
        options.args[1] = word.to_owned();
        let ports = [(options.public_port, public), (options.admin_port, admin)];
        let mut process = options.spawn();
        let open = ports.iter().find(|(_, open)| *open).unwrap().0.to_string();
        process.wait_for_output(&open);
        for (port, open) in ports {
            let url = format!("http://127.0.0.1:{port}/health/alive");
            let answered = Http::new().try_send(Request::get(&url)).await.is_ok();
            assert_eq!(answered, open, "serve {word}, port {port}:\n{}", process.output());
        }
    }
}

/// Step 2 of the guide.
#[tokio::test]
async fn another_secret_against_the_same_database_is_refused() {
    for database in [Database::postgres(), Database::sqlite()] {
        let server = Server::on(&database).await;
        let (status, log) = server.stop();
        assert!(status.success(), "{log}");
        let other = ServerOptions::new(&database).with("SECRETS_SYSTEM", "another-secret-0123456789-abcdefgh");
        let line = refusal(&mut other.spawn());
        assert!(
            line.contains("secrets.system") || line.contains("SECRETS_SYSTEM"),
            "{line}"
        );
        // The new secret first and the old one behind it is how secrets are rotated.
        let both = format!("another-secret-0123456789-abcdefgh,{SECRET}");
        ServerOptions::new(&database)
            .with("SECRETS_SYSTEM", &both)
            .start()
            .await;
    }
}
