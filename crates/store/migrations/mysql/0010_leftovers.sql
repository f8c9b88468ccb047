-- What the purge looks for: trusted issuers that have expired, and grants without end whose client was removed.
ALTER TABLE claviger_trust ADD KEY claviger_trust_expires_at (expires_at);
ALTER TABLE claviger_grant ADD KEY claviger_grant_client (client_serial, expires_at);

-- A client that was removed, until the purge has removed what it left; seen_at is when it first found nothing left.
CREATE TABLE claviger_removed_client (
    serial  BIGINT NOT NULL PRIMARY KEY,
    seen_at BIGINT,
    KEY claviger_removed_client_seen_at (seen_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
INSERT IGNORE INTO claviger_removed_client (serial)
SELECT DISTINCT g.client_serial FROM claviger_grant g LEFT JOIN claviger_client c ON c.serial = g.client_serial
WHERE g.expires_at = 9223372036854775807 AND c.serial IS NULL;
