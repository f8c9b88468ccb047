//! Everything that is in a database, as whoever steals it would have it.

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::{Database, mariadb, postgres};

/// The whole content: schema, and every value of every row, with bytes in hexadecimal.
#[must_use]
pub fn text(database: &Database) -> String {
    match database {
        Database::Postgres { dsn } => {
            let dump = postgres::cluster()
                .program("pg_dump")
                .arg("--inserts")
                .arg(dsn)
                .output()
                .unwrap();
            assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
            String::from_utf8(dump.stdout).unwrap()
        }
        Database::Mariadb { name, .. } => {
            let mut dump = mariadb::server().program("mariadb-dump");
            let dump = dump
                .args(["--hex-blob", "--single-transaction", "--skip-extended-insert"])
                .arg(name)
                .output()
                .unwrap();
            assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
            as_postgres_writes_bytes(&String::from_utf8(dump.stdout).unwrap())
        }
        Database::Sqlite { .. } => sqlite(&database.file().unwrap()),
    }
}

/// MariaDB writes bytes as `0xAB`, PostgreSQL as `\xab`.
fn as_postgres_writes_bytes(dump: &str) -> String {
    let mut pieces = dump.split("0x");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|letter: char| !letter.is_ascii_hexdigit());
        let (bytes, rest) = piece.split_at(end.unwrap_or(piece.len()));
        text.push_str("\\x");
        text.push_str(&bytes.to_ascii_lowercase());
        text.push_str(rest);
    }
    text
}

/// Every byte that is on the disk: a SQLite file with its journal, pages that were freed included.
#[must_use]
pub fn files(database: &Database) -> Vec<u8> {
    let Some(file) = database.file() else { return Vec::new() };
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    bytes
}

fn sqlite(file: &Path) -> String {
    let connection = Connection::open(file).unwrap();
    let mut tables = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table'")
        .unwrap();
    let tables: Vec<(String, Option<String>)> = tables
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut text = String::new();
    for (table, schema) in tables {
        text.push_str(&schema.unwrap_or_default());
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            text.push_str(&format!("\n{table}:"));
            for column in 0..columns {
                text.push(' ');
                text.push_str(&written(row.get_ref(column).unwrap()));
            }
        }
    }
    text
}

fn written(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => hex(bytes),
    }
}

/// Lowercase hexadecimal, as PostgreSQL writes bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many rows all tables have together, the migrations' own included.
#[must_use]
pub fn rows(database: &Database) -> usize {
    text(database)
        .lines()
        .filter(|line| line.starts_with("INSERT INTO") || line.contains(": "))
        .count()
}

/// The file of a database, copied with its journal.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
