-- Clients, keys, and everything that one authorization leaves behind.
-- Ids are UUIDv7; times are seconds since 1970, 9223372036854775807 means never.

-- Never used again, so that what belonged to a removed client does not belong to a later one of the same name.
CREATE SEQUENCE claviger_client_serial AS bigint;

CREATE TABLE claviger_client (
    serial     bigint NOT NULL UNIQUE,
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    version    bigint NOT NULL,
    name       text NOT NULL,
    owner      text NOT NULL,
    document   text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
ALTER SEQUENCE claviger_client_serial OWNED BY claviger_client.serial;

-- Room in each page keeps the updates of a flow on their page and out of its indexes.
CREATE TABLE claviger_flow (
    id         uuid NOT NULL PRIMARY KEY,
    step       smallint NOT NULL,
    version    bigint NOT NULL,
    sealed     bytea NOT NULL,
    expires_at bigint NOT NULL
) WITH (fillfactor = 60);
CREATE INDEX claviger_flow_expires_at ON claviger_flow (expires_at);

CREATE TABLE claviger_session (
    id               uuid NOT NULL PRIMARY KEY,
    subject          text NOT NULL,
    authenticated_at bigint NOT NULL,
    remember         boolean NOT NULL,
    sealed           bytea NOT NULL,
    expires_at       bigint NOT NULL
);
CREATE INDEX claviger_session_expires_at ON claviger_session (expires_at);

CREATE TABLE claviger_grant (
    id               uuid NOT NULL PRIMARY KEY,
    client_serial    bigint NOT NULL,
    subject          text NOT NULL,
    session_id       uuid,
    scope            text NOT NULL,
    audience         text NOT NULL,
    sealed           bytea NOT NULL,
    remembered_until bigint,
    created_at       bigint NOT NULL,
    expires_at       bigint NOT NULL
);
CREATE INDEX claviger_grant_subject ON claviger_grant (subject, client_serial);
CREATE INDEX claviger_grant_expires_at ON claviger_grant (expires_at);

CREATE TABLE claviger_code (
    id           uuid NOT NULL PRIMARY KEY,
    digest       bytea NOT NULL,
    grant_id     uuid NOT NULL,
    redirect_uri text,
    challenge    text,
    used_at      bigint,
    expires_at   bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX claviger_code_expires_at ON claviger_code (expires_at);

-- A token is of a grant, or of a client itself: then it has its own scope and audience.
CREATE TABLE claviger_access (
    id            uuid NOT NULL PRIMARY KEY,
    digest        bytea NOT NULL,
    grant_id      uuid,
    client_serial bigint,
    scope         text,
    audience      text,
    issued_at     bigint NOT NULL,
    expires_at    bigint NOT NULL
);
CREATE INDEX claviger_access_expires_at ON claviger_access (expires_at);

CREATE TABLE claviger_refresh (
    id         uuid NOT NULL PRIMARY KEY,
    digest     bytea NOT NULL,
    grant_id   uuid NOT NULL,
    issued_at  bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at    bigint,
    successor  uuid
) WITH (fillfactor = 80);
CREATE INDEX claviger_refresh_expires_at ON claviger_refresh (expires_at);
-- Tokens that never expire go with their grant.
CREATE INDEX claviger_refresh_endless ON claviger_refresh (grant_id) WHERE expires_at = 9223372036854775807;

CREATE TABLE claviger_key (
    -- Orders keys of the same second.
    position   bigint GENERATED ALWAYS AS IDENTITY,
    key_set    text COLLATE "C" NOT NULL,
    kid        text COLLATE "C" NOT NULL,
    -- The algorithm for which this key was the first one.
    seed       text COLLATE "C",
    sealed     bytea NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (key_set, kid),
    UNIQUE (key_set, seed)
);
