-- Clients, keys, and everything that one authorization leaves behind.
-- Ids are UUIDv7; times are seconds since 1970, 9223372036854775807 means never.
-- Text that is compared is binary: then case and trailing spaces count, whatever the collation of the server is.

CREATE TABLE claviger_client (
    -- Never used again, so that what belonged to a removed client does not belong to a later one of the same name.
    serial     BIGINT NOT NULL,
    id         VARBINARY(1024) NOT NULL PRIMARY KEY,
    version    BIGINT NOT NULL,
    name       MEDIUMBLOB NOT NULL,
    owner      MEDIUMBLOB NOT NULL,
    document   MEDIUMTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE KEY claviger_client_serial (serial)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;

CREATE TABLE claviger_flow (
    id         BINARY(16) NOT NULL PRIMARY KEY,
    step       SMALLINT NOT NULL,
    version    BIGINT NOT NULL,
    sealed     MEDIUMBLOB NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY claviger_flow_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;

CREATE TABLE claviger_session (
    id               BINARY(16) NOT NULL PRIMARY KEY,
    subject          BLOB NOT NULL,
    authenticated_at BIGINT NOT NULL,
    remember         BOOLEAN NOT NULL,
    sealed           MEDIUMBLOB NOT NULL,
    expires_at       BIGINT NOT NULL,
    KEY claviger_session_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;

CREATE TABLE claviger_grant (
    id               BINARY(16) NOT NULL PRIMARY KEY,
    client_serial    BIGINT NOT NULL,
    subject          BLOB NOT NULL,
    session_id       BINARY(16),
    scope            MEDIUMTEXT NOT NULL,
    audience         MEDIUMTEXT NOT NULL,
    sealed           MEDIUMBLOB NOT NULL,
    remembered_until BIGINT,
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    KEY claviger_grant_subject (subject(255), client_serial),
    KEY claviger_grant_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;

CREATE TABLE claviger_code (
    id           BINARY(16) NOT NULL PRIMARY KEY,
    digest       BINARY(32) NOT NULL,
    grant_id     BINARY(16) NOT NULL,
    redirect_uri MEDIUMTEXT,
    challenge    MEDIUMTEXT,
    used_at      BIGINT,
    expires_at   BIGINT NOT NULL,
    KEY claviger_code_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;

-- A token is of a grant, or of a client itself: then it has its own scope and audience.
CREATE TABLE claviger_access (
    id            BINARY(16) NOT NULL PRIMARY KEY,
    digest        BINARY(32) NOT NULL,
    grant_id      BINARY(16),
    client_serial BIGINT,
    scope         MEDIUMTEXT,
    audience      MEDIUMTEXT,
    issued_at     BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    KEY claviger_access_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;

CREATE TABLE claviger_refresh (
    id         BINARY(16) NOT NULL PRIMARY KEY,
    digest     BINARY(32) NOT NULL,
    grant_id   BINARY(16) NOT NULL,
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    successor  BINARY(16),
    KEY claviger_refresh_expires_at (expires_at),
    -- Tokens that never expire go with their grant.
    KEY claviger_refresh_grant (grant_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;

CREATE TABLE claviger_key (
    -- Orders keys of the same second.
    position   BIGINT NOT NULL,
    key_set    VARBINARY(1024) NOT NULL,
    kid        VARBINARY(1024) NOT NULL,
    -- The algorithm for which this key was the first one.
    seed       VARBINARY(64),
    sealed     MEDIUMBLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (key_set, kid),
    UNIQUE KEY claviger_key_seed (key_set, seed)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
