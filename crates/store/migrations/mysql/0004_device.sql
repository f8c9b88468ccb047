-- Devices that wait for a person. Only digests of their two codes are here; that of the user code is a keyed one.
CREATE TABLE claviger_device (
    id            BINARY(16) NOT NULL PRIMARY KEY,
    digest        BINARY(32) NOT NULL,
    user_code     BINARY(32) NOT NULL,
    client_serial BIGINT NOT NULL,
    scope         MEDIUMTEXT NOT NULL,
    audience      MEDIUMTEXT NOT NULL,
    poll_interval BIGINT NOT NULL,
    polled_at     BIGINT,
    -- 0 pending, 1 approved, 2 denied, 3 used.
    state         SMALLINT NOT NULL,
    grant_id      BINARY(16),
    ends_at       BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    UNIQUE KEY claviger_device_user_code (user_code),
    KEY claviger_device_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
