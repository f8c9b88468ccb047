-- The access tokens of a client up to this id, which is time-ordered, are dead. They leave with their time.
ALTER TABLE claviger_client ADD COLUMN access_after BINARY(16) NOT NULL DEFAULT x'00000000000000000000000000000000';
