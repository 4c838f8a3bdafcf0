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
