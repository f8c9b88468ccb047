//! The yardsticks of signing and of SQLite: what the libraries do when there is no server around them.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use rusqlite::{Connection, params};

use crate::driver::as_f64;

/// As much as the protected part of a token.
const MESSAGE: [u8; 400] = [b'a'; 400];

/// Why a yardstick could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitError {
    #[error("the signing library refuses a key of its own making")]
    Key,
    #[error("SQLite cannot be measured at {path:?} ({source}): give another place with --scratch")]
    Sqlite { path: String, source: rusqlite::Error },
}

/// Signatures a second of one core: RS256 with 2048 bits, then ES256.
pub(crate) fn signatures(time: Duration) -> Result<(f64, f64), LimitError> {
    let random = SystemRandom::new();
    let rsa = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| LimitError::Key)?;
    let mut signature = vec![0; rsa.public_modulus_len()];
    let rs256 = repeat(time, || {
        rsa.sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut signature)
            .map_err(|_| LimitError::Key)
    })?;
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| LimitError::Key)?;
    let es256 = repeat(time, || {
        ec.sign(&random, &MESSAGE).map(drop).map_err(|_| LimitError::Key)
    })?;
    Ok((rs256, es256))
}

/// Rows like that of an access token, one `INSERT` and commit each, flushed to disk every time, with the settings of the
/// server. Returns rows a second.
pub(crate) fn sqlite(path: &Path, time: Duration) -> Result<f64, LimitError> {
    let failed = |source| LimitError::Sqlite {
        path: path.display().to_string(),
        source,
    };
    let connection = Connection::open(path).map_err(failed)?;
    let rate = inserts(&connection, time);
    drop(connection);
    for end in ["", "-wal", "-shm"] {
        // What is not there need not be removed.
        drop(std::fs::remove_file(format!("{}{end}", path.display())));
    }
    rate.map_err(failed)
}

fn inserts(connection: &Connection, time: Duration) -> rusqlite::Result<f64> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE yardstick (id BLOB NOT NULL PRIMARY KEY, digest BLOB NOT NULL, client_serial INTEGER, \
         scope TEXT, audience TEXT, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID; \
         CREATE INDEX yardstick_expires_at ON yardstick (expires_at)",
    )?;
    let mut insert = connection.prepare("INSERT INTO yardstick VALUES (?1, ?2, 1, '', '', ?3, ?3 + 3600)")?;
    let mut number = 0_u128;
    repeat(time, || {
        number += 1;
        insert
            .execute(params![number.to_be_bytes(), [7_u8; 32], 1_700_000_000_i64])
            .map(drop)
    })
}

/// How often a second something can be done.
fn repeat<E>(time: Duration, mut once: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let (start, mut times) = (Instant::now(), 0);
    loop {
        once()?;
        times += 1;
        let elapsed = start.elapsed();
        if elapsed >= time {
            return Ok(as_f64(times) / elapsed.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_sign() {
        let (rs256, es256) = signatures(Duration::from_millis(1)).unwrap();
        assert!(rs256 > 0.0 && es256 > 0.0, "{rs256} {es256}");
    }

    #[test]
    fn sqlite_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("yardstick");
        assert!(sqlite(&path, Duration::from_millis(1)).unwrap() > 0.0);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
