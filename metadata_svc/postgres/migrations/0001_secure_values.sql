-- Which secure values exist, what became of every value id, and the history of it all.
-- Every key starts with the namespace. Texts that are compared by order or by key use the C
-- collation: byte order, the same on every server.

-- One number per namespace, over every kind; locked last in a writing transaction, held to commit.
CREATE TABLE counters (
    namespace text COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL CHECK (value > 0)
);

-- The last version that a name ever had. Rows stay for good: no version is used twice.
CREATE TABLE names (
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    last_version bigint NOT NULL CHECK (last_version > 0),
    PRIMARY KEY (namespace, name)
);

-- Rows stay for good: this key is why a value id is claimed at most once, ever.
CREATE TABLE value_ids (
    namespace text COLLATE "C" NOT NULL,
    value_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('claimed', 'released', 'erased', 'refused')),
    -- What the claim made, for whoever asks again; null until the claiming transaction is done,
    -- once it is forgotten, and for a refused id.
    outcome jsonb,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at timestamptz,
    PRIMARY KEY (namespace, value_id),
    CHECK ((state IN ('released', 'erased')) = (released_at IS NOT NULL)),
    CHECK (state <> 'refused' OR outcome IS NULL)
);

-- Pages of released ids, without passing those that are claimed, erased or refused.
CREATE INDEX value_ids_released ON value_ids (namespace, value_id) INCLUDE (released_at)
WHERE state = 'released';

-- Outcomes by age, so that the old ones are forgotten without passing any other row.
CREATE INDEX value_ids_outcomes ON value_ids (decided_at) WHERE outcome IS NOT NULL;

-- The live secure values; a deleted one is not here.
CREATE TABLE secure_values (
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    uid uuid NOT NULL,
    resource_version bigint NOT NULL,
    generation bigint NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    value_id uuid NOT NULL,
    keeper text COLLATE "C" NOT NULL,
    description text NOT NULL,
    decrypters text [] COLLATE "C" NOT NULL,
    labels jsonb NOT NULL,
    annotations jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    -- About what it weighs in an answer, so that a page is bounded before it is read.
    size_bytes integer NOT NULL,
    PRIMARY KEY (namespace, name),
    FOREIGN KEY (namespace, value_id) REFERENCES value_ids (namespace, value_id)
);

-- Whether a keeper is in use; the vault itself always is.
CREATE INDEX secure_values_keeper ON secure_values (namespace, keeper, name)
WHERE keeper <> 'system';

-- Selectors page in name order by these keys. They have no foreign key: its check would need a
-- second index each, and every statement that writes a live row writes them too.
CREATE TABLE secure_value_labels (
    namespace text COLLATE "C" NOT NULL,
    label text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, label, value, name)
);

CREATE TABLE secure_value_decrypters (
    namespace text COLLATE "C" NOT NULL,
    decrypter text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, decrypter, name)
);

CREATE TABLE keepers (
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (name <> 'system'),
    uid uuid NOT NULL,
    resource_version bigint NOT NULL,
    generation bigint NOT NULL,
    active boolean NOT NULL DEFAULT false,
    description text NOT NULL,
    type text NOT NULL,
    config jsonb NOT NULL,
    labels jsonb NOT NULL,
    annotations jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    PRIMARY KEY (namespace, name)
);

-- At most one is active.
CREATE UNIQUE INDEX keepers_active ON keepers (namespace) WHERE active;

-- What watches read; numbers of a namespace follow one another without a gap until trimmed.
CREATE TABLE changes (
    namespace text COLLATE "C" NOT NULL,
    resource_version bigint NOT NULL,
    kind text NOT NULL,
    name text COLLATE "C" NOT NULL,
    uid uuid NOT NULL,
    type text NOT NULL CHECK (type IN ('ADDED', 'MODIFIED', 'DELETED')),
    object jsonb NOT NULL,
    previous_labels jsonb,
    previous_decrypters text [] COLLATE "C",
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (namespace, resource_version)
);

CREATE INDEX changes_age ON changes (changed_at);
