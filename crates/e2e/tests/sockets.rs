//! Sockets that are files, sockets that others opened, and what the server tells those who supervise it.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use claviger_e2e::process::{PATIENCE, Process};
use claviger_e2e::server::migrate;
use claviger_e2e::{Database, Http, ServerOptions, binary, ports};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// The answer to a GET request through a socket file, head and body.
async fn get(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: claviger\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A server whose admin port is this file.
fn on_file(database: &Database, socket: &Path) -> ServerOptions {
    ServerOptions::new(database).with("SERVE_ADMIN_HOST", &format!("unix:{}", socket.display()))
}

#[tokio::test]
async fn a_socket_file_has_its_mode_owner_and_group_and_goes_with_the_server() {
    let (database, directory) = (Database::sqlite(), tempfile::tempdir().unwrap());
    migrate(&database);
    let (socket, told) = (
        directory.path().join("admin.sock"),
        directory.path().join("public.addr"),
    );
    let ours = fs::metadata(directory.path()).unwrap();
    // Only root can give it to somebody else, as who runs the tests of a package does.
    let owner = if ours.uid() == 0 { 65_534 } else { ours.uid() };
    let group = ours.gid();
    let options = on_file(&database, &socket)
        .with("SERVE_ADMIN_SOCKET_MODE", "432")
        .with("SERVE_ADMIN_SOCKET_OWNER", &owner.to_string())
        .with("SERVE_ADMIN_SOCKET_GROUP", &group.to_string())
        .with("SERVE_PUBLIC_WRITE_LISTEN_FILE", told.to_str().unwrap());
    let address = format!("127.0.0.1:{}\n", options.public_port);
    let mut process = options.spawn();
    process.wait_for_output("unix:");

    let answer = get(&socket, "/admin/clients").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let file = fs::metadata(&socket).unwrap();
    let rights = (file.permissions().mode() & 0o7777, file.uid(), file.gid());
    assert_eq!(rights, (0o660, owner, group));
    assert_eq!(fs::read_to_string(told).unwrap(), address);

    process.signal("TERM");
    assert!(process.wait().success());
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_file_of_a_living_server_is_left_alone_and_that_of_a_dead_one_replaced() {
    let (database, directory) = (Database::sqlite(), tempfile::tempdir().unwrap());
    migrate(&database);
    let socket = directory.path().join("admin.sock");
    let mut first = on_file(&database, &socket).spawn();
    first.wait_for_output("unix:");
    let mut second = on_file(&database, &socket).spawn();
    assert_eq!(second.wait().code(), Some(1));
    assert!(second.output().contains("already in use"), "{}", second.output());
    assert!(get(&socket, "/health/alive").await.starts_with("HTTP/1.1 200"));

    first.signal("KILL");
    first.wait();
    assert!(socket.exists());
    let mut third = on_file(&database, &socket).spawn();
    third.wait_for_output("unix:");
    assert!(get(&socket, "/health/alive").await.starts_with("HTTP/1.1 200"));
}

/// The program as systemd starts it: with the sockets open, when the first client comes.
fn activate(options: &ServerOptions, sockets: &[String], names: &str) -> Process {
    let mut command = Command::new("systemd-socket-activate");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for socket in sockets {
        command.args(["-l", socket]);
    }
    command.arg(format!("--fdname={names}"));
    for (name, value) in &options.variables {
        command.env(name, value).args(["-E", name]);
    }
    command.arg(binary::path()).args(&options.args);
    Process::start("systemd-socket-activate", &mut command)
}

#[tokio::test]
async fn sockets_that_were_opened_before_are_served_by_their_names() {
    let (database, directory) = (Database::sqlite(), tempfile::tempdir().unwrap());
    migrate(&database);
    let socket = directory.path().join("admin.sock");
    let port = ports::free();
    let sockets = [socket.display().to_string(), format!("127.0.0.1:{port}")];
    let mut process = activate(&ServerOptions::new(&database), &sockets, "admin:public");
    process.wait_for_output(&format!("Listening on 127.0.0.1:{port}"));

    // The first request waits in the queue until the server has started.
    let answer = get(&socket, "/admin/clients").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let url = format!("http://127.0.0.1:{port}/.well-known/openid-configuration");
    assert_eq!(Http::new().get(&url).await.status, 200);

    process.signal("TERM");
    assert!(process.wait().success());
    assert!(socket.exists(), "the file belongs to who made it");
}

#[tokio::test]
async fn an_inherited_socket_does_not_open_the_admin_port_to_other_machines() {
    let database = Database::sqlite();
    migrate(&database);
    let mut options = ServerOptions::new(&database);
    options.args = ["serve", "admin", "--dangerous-force-http"].map(str::to_owned).to_vec();
    let port = ports::free();
    let mut process = activate(&options, &[format!("0.0.0.0:{port}")], "claviger.socket");
    process.wait_for_output("Listening on");
    let _first = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_eq!(process.wait().code(), Some(1));
    assert!(
        process.output().contains("would open the admin port"),
        "{}",
        process.output()
    );
}

#[test]
fn a_supervisor_hears_of_the_start_of_life_and_of_the_end() {
    let (database, directory) = (Database::sqlite(), tempfile::tempdir().unwrap());
    migrate(&database);
    let path = directory.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let wait_for = |wanted: &str| {
        let mut buffer = [0; 512];
        // Signs of life may come before anything else.
        for _ in 0..1000 {
            let read = supervisor.recv(&mut buffer).unwrap();
            if String::from_utf8_lossy(&buffer[..read]).contains(wanted) {
                return;
            }
        }
        panic!("{wanted} never came");
    };
    let mut process = ServerOptions::new(&database)
        .with("NOTIFY_SOCKET", path.to_str().unwrap())
        .with("WATCHDOG_USEC", "200000")
        .spawn();
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    wait_for("WATCHDOG=1");
    process.signal("TERM");
    wait_for("STOPPING=1");
    assert!(process.wait().success());
}
