-- Logout: what is left of a grant whose tokens were ended, and the back-channel notices that wait to be sent.

-- A grant that ended gives no token any more; its row is the memory of the consent. A skipped one repeats an earlier consent.
ALTER TABLE claviger_grant
    ADD COLUMN ended boolean NOT NULL DEFAULT false,
    ADD COLUMN skipped boolean NOT NULL DEFAULT false;

CREATE INDEX claviger_session_subject ON claviger_session (subject);

-- One notice for each client and session, whoever logs out how often. A notice that was sent is never due again.
CREATE TABLE claviger_logout_notice (
    id            uuid NOT NULL PRIMARY KEY,
    client_serial bigint NOT NULL,
    session_id    uuid NOT NULL,
    subject       text NOT NULL,
    attempts      integer NOT NULL DEFAULT 0,
    due_at        bigint NOT NULL,
    expires_at    bigint NOT NULL,
    UNIQUE (session_id, client_serial)
) WITH (fillfactor = 80);
CREATE INDEX claviger_logout_notice_due_at ON claviger_logout_notice (due_at);
CREATE INDEX claviger_logout_notice_expires_at ON claviger_logout_notice (expires_at);
