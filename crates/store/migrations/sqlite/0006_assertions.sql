-- Assertions: those that were used, and the keys whose assertions are grants.

-- The id is a digest of what the assertion was used for, its issuer and its "jti".
CREATE TABLE claviger_assertion (
    id         BLOB NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claviger_assertion_expires_at ON claviger_assertion (expires_at);

-- An empty subject stands for any.
CREATE TABLE claviger_trust (
    id         BLOB NOT NULL PRIMARY KEY,
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    kid        TEXT NOT NULL,
    scope      TEXT NOT NULL,
    key        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (issuer, subject, kid)
) STRICT, WITHOUT ROWID;
