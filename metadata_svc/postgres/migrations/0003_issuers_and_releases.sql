-- A caller is an issuer and a subject. Releases before this one record the subject alone; they run
-- beside this one during an upgrade, so each issuer says which write it belongs to: a row that an
-- earlier release wrote since has no issuer, whatever its column holds.

-- `issuers_of` is the resource version that wrote updated_by_issuer. created_by_issuer belongs to
-- the insert. Empty is not known.
ALTER TABLE secure_values
ADD COLUMN created_by_issuer text NOT NULL DEFAULT '',
ADD COLUMN updated_by_issuer text NOT NULL DEFAULT '',
ADD COLUMN issuers_of bigint NOT NULL DEFAULT 0;

ALTER TABLE keepers
ADD COLUMN created_by_issuer text NOT NULL DEFAULT '',
ADD COLUMN updated_by_issuer text NOT NULL DEFAULT '',
ADD COLUMN issuers_of bigint NOT NULL DEFAULT 0;

-- The first issuer whose subject takes a key has the row under the subject's digest, where earlier
-- releases look. The row of a further issuer with an equal subject is under the digest of both.
-- `issuer` is that of the create only while issuer_taken_at equals taken_at.
ALTER TABLE idempotency_keys
ADD COLUMN issuer text,
ADD COLUMN issuer_taken_at timestamptz,
-- A MAC as `fingerprint` is, which covers the issuer as well; null if the vault sent none.
ADD COLUMN issuer_fingerprint bytea;

-- Released ids in the order of their release; the earlier release reads them in the order of keys.
CREATE INDEX value_ids_released_at ON value_ids (released_at, namespace, value_id)
WHERE state = 'released';
