-- Keys of the admin port. The digest is that of a key's text; last_used_at is noted about once an hour.
CREATE TABLE claviger_api_key (
    id           BINARY(16) NOT NULL PRIMARY KEY,
    name         VARBINARY(1024) NOT NULL,
    digest       BINARY(32) NOT NULL,
    scope        MEDIUMTEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    UNIQUE KEY claviger_api_key_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
