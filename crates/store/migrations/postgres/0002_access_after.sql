-- The access tokens of a client up to this id, which is time-ordered, are dead. They leave with their time.
ALTER TABLE claviger_client ADD COLUMN access_after uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
