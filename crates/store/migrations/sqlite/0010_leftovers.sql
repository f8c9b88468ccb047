-- What the purge looks for: trusted issuers that have expired, and grants without end whose client was removed.
CREATE INDEX claviger_trust_expires_at ON claviger_trust (expires_at);
CREATE INDEX claviger_grant_endless ON claviger_grant (client_serial) WHERE expires_at = 9223372036854775807;

-- A client that was removed, until the purge has removed what it left; seen_at is when it first found nothing left.
CREATE TABLE claviger_removed_client (
    serial  INTEGER NOT NULL PRIMARY KEY,
    seen_at INTEGER
) STRICT;
CREATE INDEX claviger_removed_client_seen_at ON claviger_removed_client (seen_at);
INSERT INTO claviger_removed_client (serial)
SELECT DISTINCT g.client_serial FROM claviger_grant g LEFT JOIN claviger_client c ON c.serial = g.client_serial
WHERE g.expires_at = 9223372036854775807 AND c.serial IS NULL;
