-- When a key signs and until when it is needed, for rotation by policy. Keys from before: at once, and nobody knows.
ALTER TABLE claviger_key ADD COLUMN signs_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE claviger_key ADD COLUMN needed_until BIGINT NOT NULL DEFAULT 9223372036854775807;
