//! A copy of the database as it is at one moment.
//!
//! `VACUUM INTO` reads in one transaction, which in write-ahead mode keeps nobody from writing, and leaves one file without
//! a log beside it. What was answered before it began is in the copy.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::refused;
use crate::BackupError;

const OVERWRITES: &str = "it is there already, and nothing is overwritten";

pub(super) fn backup(connection: &Connection, to: &Path) -> Result<(), BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(unmade(to, OVERWRITES));
    }
    // It has its own name only when it is whole; until then the other name keeps two backups apart.
    let partial = beside(to);
    create(&partial).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => unmade(
            &partial,
            "it is there already, so another backup runs or one was interrupted; remove it if none runs",
        ),
        _ => unmade(&partial, error),
    })?;
    let copied = copy(connection, &partial).and_then(|()| {
        place(&partial, to).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => unmade(to, OVERWRITES),
            _ => unmade(to, error),
        })
    });
    // Linked or failed, it is not needed any more. What cannot be removed is named partial.
    let _ = std::fs::remove_file(&partial);
    copied.and_then(|()| sync_folder(to).map_err(|error| unmade(to, error)))
}

fn unmade(path: &Path, reason: impl Display) -> BackupError {
    BackupError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

fn beside(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Readable for its owner only, as it holds what the database holds.
fn create(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path).map(drop)
}

fn copy(connection: &Connection, to: &Path) -> Result<(), BackupError> {
    let path = to.to_str().ok_or_else(|| BackupError::File {
        path: to.display().to_string(),
        reason: "its name is not UTF-8".to_owned(),
    })?;
    // The connection only reads, and the copy is another database.
    let writes = |allowed: bool| connection.pragma_update(None, "query_only", !allowed);
    let copied = writes(true).and_then(|()| connection.execute("VACUUM INTO ?1", [path]));
    let closed = writes(false);
    copied
        .and(closed)
        .map_err(|error| BackupError::Database(refused(&error)))
}

/// Gives the copy its name, unless somebody took that meanwhile.
fn place(partial: &Path, to: &Path) -> std::io::Result<()> {
    File::open(partial)?.sync_all()?;
    match std::fs::hard_link(partial, to) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            // Some file systems know no second names.
            create(to)?;
            std::fs::rename(partial, to)
        }
        linked => linked,
    }
}

/// The name is safe when its folder is.
fn sync_folder(to: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = to.parent() {
        let here = Path::new(".");
        File::open(if folder.as_os_str().is_empty() { here } else { folder })?.sync_all()?;
    }
    Ok(())
}
