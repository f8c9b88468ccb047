//! How MariaDB finds the rows of each statement.

use std::fmt::Write as _;

use claviger_store::{MYSQL_PURGE, MYSQL_STATEMENTS};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::mariadb;
use crate::scene::Scene;

/// Stands for every value: as a number, and as bytes.
const VALUE: &str = "x'31'";

/// Enough rows that reading them all would be noticed. ID stands for 16 bytes, BYTES for 32.
const POPULATE: &str = "
    INSERT INTO claviger_client (serial, id, version, name, owner, document, created_at, updated_at)
    SELECT seq, seq, 1, '', '', '{}', 0, 0 FROM seq_1_to_3000;
    INSERT INTO claviger_flow SELECT ID, 1, 1, 'x', seq FROM seq_1_to_3000;
    INSERT INTO claviger_session SELECT ID, seq, 0, TRUE, 'x', seq FROM seq_1_to_3000;
    INSERT INTO claviger_grant (id, client_serial, subject, session_id, scope, audience, sealed, created_at, expires_at)
    SELECT ID, seq, seq, ID, '', '', 'x', 0, seq FROM seq_1_to_3000;
    INSERT INTO claviger_logout_notice SELECT ID, seq, ID, seq, 0, seq, seq FROM seq_1_to_3000;
    INSERT INTO claviger_code (id, digest, grant_id, expires_at) SELECT ID, BYTES, ID, seq FROM seq_1_to_3000;
    INSERT INTO claviger_access (id, digest, grant_id, issued_at, expires_at) SELECT ID, BYTES, ID, 0, seq FROM seq_1_to_3000;
    INSERT INTO claviger_refresh (id, digest, grant_id, issued_at, expires_at) SELECT ID, BYTES, ID, 0, seq FROM seq_1_to_3000;
    INSERT INTO claviger_assertion SELECT BYTES, seq FROM seq_1_to_3000;
    INSERT INTO claviger_trust SELECT ID, BYTES, seq, seq, 'k', '', '{}', 0, seq FROM seq_1_to_3000;
    INSERT INTO claviger_api_key SELECT ID, seq, BYTES, '', 0, seq, NULL FROM seq_1_to_3000;
    INSERT INTO claviger_device (id, digest, user_code, client_serial, scope, audience, poll_interval, state, ends_at, expires_at)
    SELECT ID, BYTES, BYTES, seq, '', '', 5, 0, seq, seq FROM seq_1_to_3000;
    INSERT INTO claviger_key (position, key_set, kid, sealed, created_at) SELECT seq, seq, seq, 'x', 0 FROM seq_1_to_3000;
    INSERT INTO claviger_removed_client SELECT seq, NULLIF(seq, 1) FROM seq_1_to_3000";

/// The statement with a value in each place, as a query that can be explained.
fn filled(name: &str, sql: &str) -> String {
    let tokens = "SELECT x'31' id, x'31' digest, '' scope, '' audience, 1 issued_at, 1 expires_at, NULL sealed";
    let sql = match name {
        "ISSUE" => sql.replace("?3", tokens),
        "ACCESS" => format!("{sql} (x'31', x'32')"),
        _ => sql.to_owned(),
    };
    // A limit is a number.
    let mut sql = sql.replace("LIMIT ?", "LIMIT 1").replace("OFFSET ?", "OFFSET 1");
    for number in (1..=20).rev() {
        sql = sql.replace(&format!("?{number}"), VALUE);
    }
    // What is asked to set a variable.
    let sql = sql.replace("INTO @ok ", "");
    match sql.trim().strip_prefix("SET @").and_then(|rest| rest.split_once("= (")) {
        Some((_, query)) => query.trim_end_matches(')').to_owned(),
        None => sql,
    }
}

/// What the plan says of each table: what it is, how it is read, and with which index.
async fn plan(conn: &mut Conn, name: &str, sql: &str) -> Vec<(String, String, Option<String>)> {
    let rows: Vec<Row> = conn
        .query(format!("EXPLAIN {sql}"))
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}: {sql}"));
    let text = |row: &Row, column: &str| row.get::<Option<String>, _>(column).flatten();
    rows.iter()
        .filter(|row| text(row, "select_type").as_deref() != Some("INSERT"))
        .filter_map(|row| {
            let (table, how) = (text(row, "table")?, text(row, "type")?);
            Some((table, how, text(row, "key")))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_of_a_request_and_no_purge_reads_a_whole_table() {
    let scene = Scene::mariadb().await;
    let mut beside = mariadb::beside(scene.mariadb_url().unwrap()).await;
    let populate = POPULATE
        .replace("ID,", "LPAD(seq, 16, '0'),")
        .replace("BYTES", "LPAD(seq, 32, '0')");
    beside.query_drop(populate).await.unwrap();
    let tables: Vec<String> = beside.query("SHOW TABLES").await.unwrap();
    beside
        .query_drop(format!("ANALYZE TABLE {}", tables.join(", ")))
        .await
        .unwrap();
    let purge = MYSQL_PURGE.iter().copied().flatten().map(|sql| ("PURGE", *sql));
    let mut found = String::new();
    let mut explained = 0;
    for (name, sql) in MYSQL_STATEMENTS.iter().copied().chain(purge) {
        let sql = filled(name, sql);
        for (table, how, key) in plan(&mut beside, name, &sql).await {
            explained += 1;
            // What was made by the statement itself is little.
            let is_short = table.starts_with('<');
            if !is_short && (how == "ALL" || how == "index" || key.is_none()) {
                writeln!(found, "{name}: {table} {how} {key:?}\n    {sql}").unwrap();
            }
        }
    }
    assert!(found.is_empty(), "{found}");
    assert!(explained > 60, "{explained} tables were looked at");
}
