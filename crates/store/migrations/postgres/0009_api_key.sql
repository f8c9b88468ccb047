-- Keys of the admin port. The digest is that of a key's text; last_used_at is noted about once an hour.
CREATE TABLE claviger_api_key (
    id           uuid NOT NULL PRIMARY KEY,
    name         text COLLATE "C" NOT NULL UNIQUE,
    digest       bytea NOT NULL,
    scope        text NOT NULL,
    created_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    last_used_at bigint
);
