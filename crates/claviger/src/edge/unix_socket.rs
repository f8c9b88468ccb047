//! A listening Unix socket: its file, who may use it, and its end.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::address::{Address, BindError};
use crate::config::listener::SocketFile;

/// A listening socket, whose file goes when it does.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file that is ours; none if somebody else made it for us.
    file: Option<(u64, u64)>,
}

impl UnixSocket {
    /// Makes the file, in the place of one that a killed server left.
    pub(super) fn listen(path: &Path, rights: &SocketFile) -> Result<Self, BindError> {
        let address = Address::Unix { path: path.to_owned() };
        // Who may use it is found out first, so that a wrong name leaves no file.
        let owner = number(&rights.owner, "/etc/passwd", "user", &address)?;
        let group = number(&rights.group, "/etc/group", "group", &address)?;
        let listener = bind(path).map_err(|source| BindError::new(&address, source))?;
        let socket = Self {
            listener,
            path: path.to_owned(),
            file: identity(path),
        };
        let refused = |whom: String| {
            let address = address.clone();
            move |error: io::Error| BindError::Rights {
                address,
                whom,
                reason: format!("{error}; only root can give files away, and others only to a group of their own"),
            }
        };
        if owner.is_some() || group.is_some() {
            let whom = format!("user \"{}\" and group \"{}\"", rights.owner, rights.group);
            chown(path, owner, group).map_err(refused(whom))?;
        }
        // After the group, so that no other group ever has the bits that are meant for this one.
        if let Some(mode) = rights.mode {
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(path, permissions).map_err(refused(format!("mode {mode:o}")))?;
        }
        Ok(socket)
    }

    /// A socket that somebody else opened for us, and whose file is theirs.
    pub(super) fn adopt(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let path = listener.local_addr()?.as_pathname().unwrap_or(Path::new("")).to_owned();
        Ok(Self {
            listener: UnixListener::from_std(listener)?,
            path,
            file: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn accept(&self) -> io::Result<(UnixStream, tokio::net::unix::SocketAddr)> {
        self.listener.accept().await
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// A socket file left by a server that was killed refuses connections; that of a living one accepts them.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = std::os::unix::net::UnixStream::connect(path)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    is_socket && refused
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// The number of a user or group; none for the process's own. Names are looked up in the system's own list only.
fn number(name: &str, list: &str, kind: &str, address: &Address) -> Result<Option<u32>, BindError> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let failed = |reason: String| BindError::Rights {
        address: address.clone(),
        whom: format!("{kind} \"{name}\""),
        reason,
    };
    let text = fs::read_to_string(list).map_err(|error| failed(format!("{list}: {error}; set a number")))?;
    let found = text.lines().find_map(|line| entry(line, name));
    found
        .map(Some)
        .ok_or_else(|| failed(format!("{list} has no such {kind}; check the name, or set a number")))
}

/// The number in `name:password:number:…`.
fn entry(line: &str, name: &str) -> Option<u32> {
    let mut fields = line.split(':');
    (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // A server that came after us may have put its own file there.
        if self.file.is_none() || self.file != identity(&self.path) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the socket file could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(mode: Option<u32>, group: &str) -> SocketFile {
        SocketFile {
            mode,
            group: group.to_owned(),
            ..SocketFile::default()
        }
    }

    #[tokio::test]
    async fn an_abandoned_socket_file_is_replaced_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        // The listener of the standard library leaves its file behind, as a killed server does.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());

        let living = UnixSocket::listen(&path, &SocketFile::default()).unwrap();
        let second = UnixSocket::listen(&path, &SocketFile::default());
        assert!(matches!(second, Err(BindError::InUse(_))));
        drop(living);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        fs::write(&path, "text").unwrap();
        assert!(UnixSocket::listen(&path, &SocketFile::default()).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
    }

    #[tokio::test]
    async fn the_file_has_the_mode_and_the_group_that_were_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let own_group = fs::metadata(directory.path()).unwrap().gid();
        let _socket = UnixSocket::listen(&path, &rights(Some(0o660), &own_group.to_string())).unwrap();
        let file = fs::metadata(&path).unwrap();
        assert_eq!((file.mode() & 0o7777, file.gid()), (0o660, own_group));
    }

    #[tokio::test]
    async fn an_unknown_group_is_an_error_that_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let error = UnixSocket::listen(&path, &rights(None, "no-such-group")).unwrap_err();
        assert!(error.to_string().contains("group \"no-such-group\""), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn names_are_compared_whole() {
        assert_eq!(entry("www-data:x:33:", "www-data"), Some(33));
        assert_eq!(entry("www-data:x:33:", "www"), None);
        assert_eq!(entry("", "www"), None);
    }
}
