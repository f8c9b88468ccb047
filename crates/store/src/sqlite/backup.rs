//! A copy of the database as it is at one moment.
//!
//! `VACUUM INTO` reads in one transaction, which in write-ahead mode keeps nobody from writing, and leaves one file without
//! a log beside it. What was answered before it began is in the copy.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::refused;
use crate::BackupError;

pub(super) fn backup(connection: &Connection, to: &Path) -> Result<(), BackupError> {
    let failed = |error: std::io::Error| BackupError::File {
        path: to.display().to_string(),
        reason: match error.kind() {
            std::io::ErrorKind::AlreadyExists => "it is there already, and nothing is overwritten".to_owned(),
            _ => error.to_string(),
        },
    };
    // The name is taken at once, so that two backups do not meet; whole it becomes only at the end.
    create(to).map_err(failed)?;
    let partial = beside(to);
    let copied = create(&partial)
        .map_err(failed)
        .and_then(|()| copy(connection, &partial))
        .and_then(|()| place(&partial, to).map_err(failed));
    if copied.is_err() {
        // What cannot be removed is empty or named partial.
        let _ = std::fs::remove_file(&partial);
        let _ = std::fs::remove_file(to);
    }
    copied
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

fn place(partial: &Path, to: &Path) -> std::io::Result<()> {
    File::open(partial)?.sync_all()?;
    std::fs::rename(partial, to)?;
    // The name is safe when its folder is.
    #[cfg(unix)]
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
