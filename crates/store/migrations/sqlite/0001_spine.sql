-- Clients, keys, and everything that one authorization leaves behind.
-- Ids are UUIDv7 in 16 bytes; times are seconds since 1970, 9223372036854775807 means never.

CREATE TABLE claviger_client (
    -- Never used again, so that what belonged to a removed client does not belong to a later one of the same name.
    serial     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    version    INTEGER NOT NULL,
    name       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    document   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE claviger_flow (
    id         BLOB NOT NULL PRIMARY KEY,
    step       INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    sealed     BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claviger_flow_expires_at ON claviger_flow (expires_at);

CREATE TABLE claviger_session (
    id               BLOB NOT NULL PRIMARY KEY,
    subject          TEXT NOT NULL,
    authenticated_at INTEGER NOT NULL,
    remember         INTEGER NOT NULL,
    sealed           BLOB NOT NULL,
    expires_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claviger_session_expires_at ON claviger_session (expires_at);

CREATE TABLE claviger_grant (
    id               BLOB NOT NULL PRIMARY KEY,
    client_serial    INTEGER NOT NULL,
    subject          TEXT NOT NULL,
    session_id       BLOB,
    scope            TEXT NOT NULL,
    audience         TEXT NOT NULL,
    sealed           BLOB NOT NULL,
    remembered_until INTEGER,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claviger_grant_subject ON claviger_grant (subject, client_serial);
CREATE INDEX claviger_grant_expires_at ON claviger_grant (expires_at);

CREATE TABLE claviger_code (
    id           BLOB NOT NULL PRIMARY KEY,
    digest       BLOB NOT NULL,
    grant_id     BLOB NOT NULL,
    redirect_uri TEXT,
    challenge    TEXT,
    used_at      INTEGER,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claviger_code_expires_at ON claviger_code (expires_at);

-- A token is of a grant, or of a client itself: then it has its own scope and audience.
CREATE TABLE claviger_access (
    id            BLOB NOT NULL PRIMARY KEY,
    digest        BLOB NOT NULL,
    grant_id      BLOB,
    client_serial INTEGER,
    scope         TEXT,
    audience      TEXT,
    issued_at     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claviger_access_expires_at ON claviger_access (expires_at);

CREATE TABLE claviger_refresh (
    id         BLOB NOT NULL PRIMARY KEY,
    digest     BLOB NOT NULL,
    grant_id   BLOB NOT NULL,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    successor  BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX claviger_refresh_expires_at ON claviger_refresh (expires_at);
-- Tokens that never expire go with their grant.
CREATE INDEX claviger_refresh_endless ON claviger_refresh (grant_id) WHERE expires_at = 9223372036854775807;

CREATE TABLE claviger_key (
    -- Orders keys of the same second.
    position   INTEGER PRIMARY KEY AUTOINCREMENT,
    key_set    TEXT NOT NULL,
    kid        TEXT NOT NULL,
    -- The algorithm for which this key was the first one.
    seed       TEXT,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (key_set, kid),
    UNIQUE (key_set, seed)
) STRICT;
