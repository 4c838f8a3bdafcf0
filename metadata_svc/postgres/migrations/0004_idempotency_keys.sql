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
