//! `compose.yaml`. There is no container engine here, so what it says is done without one: each service's command is run with
//! its environment, on loopback, where names and ports of containers are exchanged for those of this machine.

use std::process::Command;

use claviger_e2e::process::Process;
use claviger_e2e::{Database, Http, ReferenceApp, Request, Server, ServerOptions, binary, reference_app};
use serde_json::Value;

use crate::{file, texts, yaml};

const DSN: &str = "postgres://hydra:secret@database:5432/hydra?sslmode=disable";

fn services() -> Value {
    yaml(&file("compose.yaml"))["services"].clone()
}

/// The environment of a service, with what the reader exports.
fn environment(service: &Value) -> Vec<(String, String)> {
    let variables = service["environment"].as_object().unwrap();
    let value = |value: &Value| {
        let text = value.as_str().expect("only texts, as a number may lose its form");
        if text.starts_with("${SECRETS_SYSTEM:?") {
            return claviger_e2e::server::SECRET.to_owned();
        }
        assert!(!text.contains("${"), "nobody gives {text} a value");
        text.to_owned()
    };
    variables
        .iter()
        .map(|(name, text)| (name.clone(), value(text)))
        .collect()
}

#[tokio::test]
async fn the_services_do_together_what_the_guide_says() {
    let services = services();
    let database = Database::postgres();
    let migrate = &services["migrate"];
    let mut variables = environment(migrate);
    assert_eq!(variables, [("DSN".to_owned(), DSN.to_owned())]);
    variables[0].1 = database.dsn();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    binary::run_with(&texts(&migrate["command"]), &variables).success();

    let mut app = ReferenceApp::reserve();
    let server = serve(&services["server"], &database, &app.url()).await;
    let login = environment(&services["login"]);
    assert!(
        login.contains(&("HYDRA_ADMIN_URL".to_owned(), "http://server:4445".to_owned())),
        "{login:?}"
    );
    assert!(
        login.contains(&("PORT".to_owned(), "3000".to_owned())),
        "what its port is published from: {login:?}"
    );
    app.start(&server);
    let mut flow = claviger_e2e::Flow::new(&server).await;
    let page = flow.start().await.location();
    assert!(page.as_str().starts_with(&format!("{}/login?", app.url())), "{page}");
    let shown = Http::new().send(Request::get(page.as_str())).await;
    assert!(
        shown.status == 200 && shown.text().contains("password"),
        "{}",
        shown.text()
    );
}

/// The service, with the variables of the image below its own.
async fn serve(service: &Value, database: &Database, app: &str) -> Server {
    let mut options = ServerOptions::new(database);
    let own = |name: &str| name == "SERVE_PUBLIC_PORT" || name == "SERVE_ADMIN_PORT";
    options.variables.retain(|(name, _)| own(name));
    let image = file("packaging/image/Containerfile");
    let of_image = image
        .lines()
        .filter_map(|line| line.strip_prefix("ENV SERVE"))
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split_once('='));
    for (name, value) in of_image {
        let name = if name.starts_with('_') {
            format!("SERVE{name}")
        } else {
            name.to_owned()
        };
        options = options.with(&name, value);
    }
    let public = format!("http://127.0.0.1:{}/", options.public_port);
    for (name, value) in environment(service) {
        let here = value
            .replace(DSN, &database.dsn())
            .replace("http://127.0.0.1:9000/", &public)
            .replace("http://127.0.0.1:9020", app);
        options = options.with(&name, &here);
    }
    // All of it is what a test may show to its own machine only.
    options = options
        .with("SERVE_PUBLIC_HOST", "127.0.0.1")
        .with("SERVE_ADMIN_HOST", "127.0.0.1");
    options.args = texts(&service["command"]).into_iter().map(str::to_owned).collect();
    let mut command = binary::command();
    command
        .args(&options.args)
        .envs(options.variables.iter().map(|(name, value)| (name, value)));
    let process = Process::start("the service", &mut command);
    Server::wait(process, options).await
}

#[test]
fn everything_is_published_on_loopback_only() {
    for (name, service) in services().as_object().unwrap() {
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
    let server = &services()["server"];
    assert_eq!(texts(&server["ports"]), ["127.0.0.1:9000:4444", "127.0.0.1:9001:4445"]);
    assert_eq!(texts(&services()["login"]["ports"]), ["127.0.0.1:9020:3000"]);
}

#[test]
fn the_services_wait_for_those_that_they_need() {
    let services = services();
    let needs = |service: &str, other: &str| services[service]["depends_on"][other]["condition"].clone();
    assert_eq!(needs("migrate", "database"), "service_healthy");
    assert_eq!(needs("server", "migrate"), "service_completed_successfully");
    assert!(services["database"]["healthcheck"]["test"].is_array());
    let user = &services["database"]["environment"];
    assert_eq!(
        format!(
            "postgres://{}:{}@database:5432/{}?sslmode=disable",
            user["POSTGRES_USER"].as_str().unwrap(),
            user["POSTGRES_PASSWORD"].as_str().unwrap(),
            user["POSTGRES_DB"].as_str().unwrap()
        ),
        DSN
    );
}

#[test]
fn the_images_are_those_that_are_built_and_tested() {
    let services = services();
    for ours in ["migrate", "server"] {
        let image = services[ours]["image"].as_str().unwrap();
        assert_eq!(
            image, "${CLAVIGER_IMAGE:-localhost/claviger:0.1.0}",
            "as packaging/release names it"
        );
    }
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        version, "0.1.0",
        "another release: change the two images in compose.yaml"
    );
    let package = reference_app::packages().join("package.json");
    let package: Value = serde_json::from_str(&std::fs::read_to_string(package).unwrap()).unwrap();
    let tested = package["dependencies"]["hydra-login-consent-logout"].as_str().unwrap();
    let image = services["login"]["image"].as_str().unwrap();
    assert!(
        image.ends_with(&format!(":v{tested}")),
        "{image} is not the tested {tested}"
    );
}

/// A variable that no setting has would be ignored without a word.
#[test]
fn every_variable_is_one_of_a_setting() {
    let reference = file("docs/configuration.md");
    let known: Vec<String> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(|key| key.to_uppercase().replace(['.', '-'], "_"))
        .collect();
    let mut named: Vec<String> = Vec::new();
    for service in ["migrate", "server"] {
        named.extend(environment(&services()[service]).into_iter().map(|(name, _)| name));
    }
    let image = file("packaging/image/Containerfile");
    for line in image.lines().filter_map(|line| line.strip_prefix("ENV ")) {
        named.extend(
            line.split_whitespace()
                .filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())),
        );
    }
    for name in named.iter().filter(|name| *name != "PATH") {
        assert!(known.contains(name), "{name}");
    }
}

/// What `compose.yaml` itself says to do first.
#[test]
fn its_first_lines_name_commands_that_exist() {
    let text = file("compose.yaml");
    assert!(text.contains("packaging/release image"));
    let told = Command::new(binary::root().join("packaging/release")).output().unwrap();
    assert_eq!(told.status.code(), Some(2), "nothing is made by chance");
}
