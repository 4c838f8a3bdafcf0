-- What the whole REST API asks for: keepers, field owners, selectors, creates that are repeated.

-- Who set which fields of an object; and keepers, which until now nobody could write.

-- A list of owners as metadata_svc/postgres/rows.py writes it: paths, never contents.
ALTER TABLE secure_values ADD COLUMN field_owners jsonb NOT NULL DEFAULT '[]';

ALTER TABLE keepers
ADD COLUMN field_owners jsonb NOT NULL DEFAULT '[]',
-- About what it weighs in an answer, so that a page is bounded before it is read.
ADD COLUMN size_bytes integer NOT NULL DEFAULT 0;

-- Locked by whoever changes which keeper of the namespace is active, before any keeper is: these
-- changes follow one another, and the index that allows one active keeper never has to refuse.
CREATE TABLE keeper_activations (
    namespace text COLLATE "C" PRIMARY KEY,
    count bigint NOT NULL CHECK (count > 0)
);

-- Selectors of every kind page in name order by an index.

-- A label with any value, or with one of many: its names in order, the value beside each.
CREATE INDEX secure_value_labels_names ON secure_value_labels (namespace, label, name, value);

-- What a keeper keeps, the vault itself included; it also tells whether a keeper is in use.
CREATE INDEX secure_values_kept ON secure_values (namespace, keeper, name);
DROP INDEX secure_values_keeper;

-- Creates that were sent under a key of the caller's own, and what they made: kept for a day or
-- so, so that the same create sent again is answered and not done again.
CREATE TABLE idempotency_keys (
    namespace text COLLATE "C" NOT NULL,
    -- SHA-256 of the caller's subject, which may be longer than an index takes.
    subject_digest bytea NOT NULL CHECK (octet_length(subject_digest) = 32),
    idempotency_key text COLLATE "C" NOT NULL,
    -- Tells whether it is the same create; of a secure value, a MAC under a key of the vault's.
    fingerprint bytea NOT NULL,
    -- Null until the transaction that took the key is done.
    kind text CHECK (kind IN ('SecureValue', 'Keeper')),
    outcome jsonb,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (namespace, subject_digest, idempotency_key)
);

-- Keys by age, so that the old ones are forgotten without passing any other.
CREATE INDEX idempotency_keys_age ON idempotency_keys (taken_at);
