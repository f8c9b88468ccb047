-- Logout: what is left of a grant whose tokens were ended, and the back-channel notices that wait to be sent.

-- A grant that ended gives no token any more; its row is the memory of the consent. A skipped one repeats an earlier consent.
ALTER TABLE claviger_grant ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claviger_grant ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;

CREATE INDEX claviger_session_subject ON claviger_session (subject);

-- One notice for each client and session, whoever logs out how often. A notice that was sent is never due again.
CREATE TABLE claviger_logout_notice (
    id            BLOB NOT NULL PRIMARY KEY,
    client_serial INTEGER NOT NULL,
    session_id    BLOB NOT NULL,
    subject       TEXT NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    due_at        INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    UNIQUE (session_id, client_serial)
) STRICT, WITHOUT ROWID;
CREATE INDEX claviger_logout_notice_due_at ON claviger_logout_notice (due_at);
CREATE INDEX claviger_logout_notice_expires_at ON claviger_logout_notice (expires_at);
