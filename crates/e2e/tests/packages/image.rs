//! The container image: made from nothing, started without a container engine, and used as the guide says.
//!
//! buildah's `chroot` isolation needs neither a daemon nor namespaces. It shares the network of the machine, so ports are
//! chosen here.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use claviger_e2e::process::Process;
use claviger_e2e::{Database, Http, Request, Server, ServerOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::{file, output, release, texts};

/// The user of the image.
const USER: u32 = 65532;

/// The image, in a store of its own, and a container of it.
struct Image {
    store: TempDir,
    config: Value,
}

impl Image {
    fn build() -> Self {
        let store = tempfile::Builder::new().prefix("claviger-image-").tempdir().unwrap();
        let mut image = Self {
            store,
            config: Value::Null,
        };
        let options = image.options().join(" ");
        let out = image.store.path().join("out");
        release(&out, &["image"], &[("BUILDAH_OPTIONS", &options)]);
        let archive = out.join("claviger-0.1.0-image-amd64.tar");
        assert!(archive.exists(), "what docker load takes");
        fs::remove_file(archive).unwrap();
        output(
            image
                .buildah("from")
                .args(["--name", "guide", "localhost/claviger:0.1.0"]),
        );
        let told = output(
            image
                .buildah("inspect")
                .args(["--type", "image", "localhost/claviger:0.1.0"]),
        );
        let told: Value = serde_json::from_str(&told).unwrap();
        image.config = told["OCIv1"]["config"].clone();
        image
    }

    fn options(&self) -> Vec<String> {
        let path = |name: &str| self.store.path().join(name).display().to_string();
        let options = [
            "--root",
            &path("root"),
            "--runroot",
            &path("run"),
            "--storage-driver",
            "vfs",
        ];
        options.map(str::to_owned).to_vec()
    }

    fn buildah(&self, command: &str) -> Command {
        let mut buildah = Command::new("buildah");
        buildah.args(self.options()).arg(command);
        buildah
    }

    /// `docker run --env … --volume … IMAGE ARGUMENTS`.
    fn run(&self, variables: &[(String, String)], volume: Option<&str>, arguments: &[&str]) -> Command {
        let mut run = self.buildah("run");
        run.args(["--isolation", "chroot", "--env", &self.mark()]);
        for (name, value) in variables {
            run.args(["--env", &format!("{name}={value}")]);
        }
        if let Some(volume) = volume {
            run.args(["--volume", volume]);
        }
        run.args(["guide", "--"]).args(texts(&self.config["Entrypoint"]));
        run.args(arguments);
        run
    }

    /// By this variable a program is known to run in a container of this image.
    fn mark(&self) -> String {
        format!("TEST_STORE={}", self.store.path().display())
    }

    /// What runs in its containers. It would outlive buildah, if that were killed.
    fn programs(&self) -> Vec<u32> {
        let mark = self.mark();
        let runs = |id: &u32| {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark.as_bytes())
        };
        let all = fs::read_dir("/proc").unwrap().flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        all.filter(runs).collect()
    }

    fn end_programs(&self) {
        for program in self.programs() {
            drop(Command::new("kill").arg(program.to_string()).status());
        }
    }

    /// Where the files of the container are.
    fn files(&self) -> PathBuf {
        output(self.buildah("mount").arg("guide")).trim().into()
    }
}

#[tokio::test]
async fn the_image_is_the_program_alone_and_the_guide_works_in_it() {
    let image = Image::build();
    assert_what_is_in_it(&image);
    the_guide_works(&image).await;
    sqlite_is_kept_in_the_volume(&image);
}

fn assert_what_is_in_it(image: &Image) {
    let config = &image.config;
    assert_eq!(config["User"], format!("{USER}:{USER}"), "not root: {config}");
    assert_eq!(config["Cmd"], serde_json::json!(["serve", "all"]), "{config}");
    assert!(config["Volumes"]["/var/lib/sqlite"].is_object(), "{config}");
    for port in ["4444", "4445"] {
        let exposed = config["ExposedPorts"].as_object().unwrap();
        assert!(exposed.keys().any(|key| key.starts_with(port)), "{config}");
    }
    let root = image.files();
    let mut found: Vec<String> = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                directories.push(path);
            } else {
                found.push(path.strip_prefix(&root).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    let expected = [
        "etc/group",
        "etc/nsswitch.conf",
        "etc/passwd",
        "usr/bin/claviger",
        "usr/bin/hydra",
    ];
    assert_eq!(found, expected, "and nothing else");
    assert_eq!(fs::metadata(root.join("var/lib/sqlite")).unwrap().uid(), USER);
    assert_eq!(fs::metadata(root.join("usr/bin/claviger")).unwrap().uid(), 0);
}

/// Steps 4 to 9. The database is named by a host name, which is looked up by a program without shared libraries.
async fn the_guide_works(image: &Image) {
    let database = Database::postgres();
    let dsn = database.dsn().replace("127.0.0.1", "localhost");
    output(&mut image.run(&[], None, &["migrate", "sql", "--yes", &dsn]));
    let mut options = ServerOptions::new(&database).with("DSN", &dsn);
    options.variables.retain(|(name, _)| name != "SERVE_PUBLIC_HOST");
    let arguments: Vec<&str> = options.args.iter().map(String::as_str).collect();
    let mut command = image.run(&options.variables, None, &arguments);
    let process = Process::start("container", &mut command);
    let mut server = Server::wait(process, options).await;

    let log = server.log();
    assert!(
        log.contains("asks for no credentials") && log.contains("container"),
        "{log}"
    );
    let inside = image.programs().into_iter().max().unwrap();
    let status = fs::read_to_string(format!("/proc/{inside}/status")).unwrap();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    assert_eq!(user.split_whitespace().next(), Some("65532"), "{status}");

    // The container's own address, not loopback alone: every address of the machine, here.
    let admin = server.admin("");
    let other = admin.replace("127.0.0.1", "127.0.0.2");
    let ready = Http::new().send(Request::get(&format!("{other}/health/ready"))).await;
    assert_eq!(ready.status, 200, "{}", ready.text());

    let run = |arguments: &[&str]| output(&mut image.run(&[], None, arguments));
    let client = [
        "--id",
        "some-consumer",
        "--secret",
        "some-secret",
        "--grant-types",
        "client_credentials",
    ];
    let created = run(&[&["clients", "create", "--endpoint", &admin], &client[..]].concat());
    assert!(created.contains("some-consumer"), "{created}");
    let endpoint = server.public("");
    let client = ["--client-id", "some-consumer", "--client-secret", "some-secret"];
    let token = run(&[&["token", "client", "--endpoint", &endpoint], &client[..]].concat());
    let told = run(&["token", "introspect", "--endpoint", &admin, token.trim()]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["active"], true, "{told}");
    image.end_programs();
    server.process.wait();
    assert!(server.log().contains("stopped"), "{}", server.log());
}

fn sqlite_is_kept_in_the_volume(image: &Image) {
    let data = image.store.path().join("data");
    fs::create_dir(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(USER), Some(USER)).unwrap();
    let volume = format!("{}:/var/lib/sqlite", data.display());
    let variables = [("DSN".to_owned(), "sqlite:///var/lib/sqlite/claviger.sqlite".to_owned())];
    output(&mut image.run(
        &variables,
        Some(&volume),
        &["migrate", "sql", "--read-from-env", "--yes"],
    ));
    let file = fs::metadata(data.join("claviger.sqlite")).unwrap();
    assert_eq!((file.uid(), file.mode() & 0o777), (USER, 0o600));
}

impl Drop for Image {
    /// Whatever becomes of the test, nothing goes on.
    fn drop(&mut self) {
        self.end_programs();
    }
}

#[test]
fn the_reason_for_the_open_admin_port_is_in_the_documentation() {
    let page = file("docs/packages.md");
    for told in ["SERVE_ADMIN_ALLOW_UNAUTHENTICATED", "SERVE_ADMIN_HOST", "own address"] {
        assert!(page.contains(told), "{told}");
    }
    let image = file("packaging/image/Containerfile");
    assert!(image.contains("SERVE_ADMIN_HOST=0.0.0.0 SERVE_ADMIN_ALLOW_UNAUTHENTICATED=true"));
    assert!(image.lines().any(|line| line == "FROM scratch"), "{image}");
}
