-- Assertions: those that were used, and the keys whose assertions are grants.

-- The id is a digest of what the assertion was used for, its issuer and its "jti".
CREATE TABLE claviger_assertion (
    id         bytea NOT NULL PRIMARY KEY,
    expires_at bigint NOT NULL
);
CREATE INDEX claviger_assertion_expires_at ON claviger_assertion (expires_at);

-- An empty subject stands for any.
CREATE TABLE claviger_trust (
    id         uuid NOT NULL PRIMARY KEY,
    issuer     text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    kid        text COLLATE "C" NOT NULL,
    scope      text NOT NULL,
    key        text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    UNIQUE (issuer, subject, kid)
);
