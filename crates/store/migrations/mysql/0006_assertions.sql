-- Assertions: those that were used, and the keys whose assertions are grants.

-- The id is a digest of what the assertion was used for, its issuer and its "jti".
CREATE TABLE claviger_assertion (
    id         BINARY(32) NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    KEY claviger_assertion_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;

-- An empty subject stands for any. The digest of issuer, subject and kid stands for them where they must not repeat, as an
-- index holds no more than 3072 bytes.
CREATE TABLE claviger_trust (
    id         BINARY(16) NOT NULL PRIMARY KEY,
    identity   BINARY(32) NOT NULL,
    issuer     BLOB NOT NULL,
    subject    BLOB NOT NULL,
    kid        BLOB NOT NULL,
    scope      MEDIUMTEXT NOT NULL,
    `key`      MEDIUMTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    UNIQUE KEY claviger_trust_identity (identity),
    KEY claviger_trust_issuer (issuer(255))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
