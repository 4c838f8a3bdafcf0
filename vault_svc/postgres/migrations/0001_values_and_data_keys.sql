-- Sealed values and the wrapped data keys they lie under.
-- Nothing here says what a value is called: names, labels and allow-lists are metadata's.

CREATE TABLE data_keys (
    namespace text COLLATE "C" NOT NULL,
    data_key_id uuid NOT NULL,
    kek_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'retired', 'disabled', 'destroyed')),
    -- Empty once destroyed, and only then.
    wrapped_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- Counted before they are used, in blocks: at least as many as there ever were.
    wraps_reserved bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (namespace, data_key_id),
    CHECK ((state = 'destroyed') = (octet_length(wrapped_key) = 0))
);

-- One active data key per namespace, whatever races.
CREATE UNIQUE INDEX data_keys_active ON data_keys (namespace) WHERE state = 'active';

-- Which KEKs are named, and some data keys of each, without reading the others.
CREATE INDEX data_keys_by_kek ON data_keys (kek_id, namespace, data_key_id)
    WHERE state <> 'destroyed';

CREATE TABLE sealed_values (
    namespace text COLLATE "C" NOT NULL,
    value_id uuid NOT NULL,
    data_key_id uuid NOT NULL,
    wrapped_value_key bytea NOT NULL,
    sealed_value bytea NOT NULL,
    stored_at timestamptz NOT NULL,
    -- When the vault first heard that the value is claimed; spares a question, proves nothing.
    claimed_at timestamptz,
    PRIMARY KEY (namespace, value_id),
    FOREIGN KEY (namespace, data_key_id) REFERENCES data_keys
);

-- Ciphertext does not compress; do not try.
ALTER TABLE sealed_values ALTER COLUMN sealed_value SET STORAGE EXTERNAL;

CREATE INDEX sealed_values_by_data_key ON sealed_values (namespace, data_key_id);

CREATE INDEX sealed_values_unclaimed ON sealed_values (namespace, value_id)
    WHERE claimed_at IS NULL;
