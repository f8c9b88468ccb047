-- Claims that the token hook gave to a token of a client itself, sealed.
ALTER TABLE claviger_access ADD COLUMN sealed MEDIUMBLOB;
