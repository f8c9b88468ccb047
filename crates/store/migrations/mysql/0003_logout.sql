-- Logout: what is left of a grant whose tokens were ended, and the back-channel notices that wait to be sent.

-- A grant that ended gives no token any more; its row is the memory of the consent. A skipped one repeats an earlier consent.
ALTER TABLE claviger_grant ADD COLUMN ended BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE claviger_grant ADD COLUMN skipped BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE claviger_session ADD KEY claviger_session_subject (subject(255));

-- One notice for each client and session, whoever logs out how often. A notice that was sent is never due again.
CREATE TABLE claviger_logout_notice (
    id            BINARY(16) NOT NULL PRIMARY KEY,
    client_serial BIGINT NOT NULL,
    session_id    BINARY(16) NOT NULL,
    subject       BLOB NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    due_at        BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    UNIQUE KEY claviger_logout_notice_session (session_id, client_serial),
    KEY claviger_logout_notice_due_at (due_at),
    KEY claviger_logout_notice_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
