-- Keys that tell requests apart, beside the keys that seal: one table, so that a KEK is checked
-- and replaced for all of them in the same way.

ALTER TABLE data_keys
    ADD COLUMN purpose text NOT NULL DEFAULT 'seal'
    CHECK (purpose IN ('seal', 'fingerprint'));

-- 'active' is said of keys that seal, by the code of the version before as well. A fingerprint
-- key in use is 'retired': it seals nothing.
ALTER TABLE data_keys
    ADD CONSTRAINT data_keys_active_seals CHECK (state <> 'active' OR purpose = 'seal');

-- One fingerprint key in use per namespace, whatever races.
CREATE UNIQUE INDEX data_keys_fingerprint ON data_keys (namespace)
    WHERE purpose = 'fingerprint' AND state = 'retired';
