-- Devices that wait for a person. Only digests of their two codes are here; that of the user code is a keyed one.
CREATE TABLE claviger_device (
    id            uuid NOT NULL PRIMARY KEY,
    digest        bytea NOT NULL,
    user_code     bytea NOT NULL UNIQUE,
    client_serial bigint NOT NULL,
    scope         text NOT NULL,
    audience      text NOT NULL,
    poll_interval bigint NOT NULL,
    polled_at     bigint,
    -- 0 pending, 1 approved, 2 denied, 3 used.
    state         smallint NOT NULL,
    grant_id      uuid,
    ends_at       bigint NOT NULL,
    expires_at    bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX claviger_device_expires_at ON claviger_device (expires_at);
