-- Devices that wait for a person. Only digests of their two codes are here; that of the user code is a keyed one.
CREATE TABLE claviger_device (
    id            BLOB NOT NULL PRIMARY KEY,
    digest        BLOB NOT NULL,
    user_code     BLOB NOT NULL UNIQUE,
    client_serial INTEGER NOT NULL,
    scope         TEXT NOT NULL,
    audience      TEXT NOT NULL,
    poll_interval INTEGER NOT NULL,
    polled_at     INTEGER,
    -- 0 pending, 1 approved, 2 denied, 3 used.
    state         INTEGER NOT NULL,
    grant_id      BLOB,
    ends_at       INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claviger_device_expires_at ON claviger_device (expires_at);
