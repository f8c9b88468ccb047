-- Keys of the admin port. The digest is that of a key's text; last_used_at is noted about once an hour.
CREATE TABLE claviger_api_key (
    id           BLOB NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    digest       BLOB NOT NULL,
    scope        TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
