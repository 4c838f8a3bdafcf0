-- part: times
    -- A time that no answer can carry is null.
    CASE
        WHEN created_at >= '0001-01-02 00:00Z' AND created_at < '9999-12-31 00:00Z'
            THEN created_at
    END AS created_at,
    CASE
        WHEN updated_at >= '0001-01-02 00:00Z' AND updated_at < '9999-12-31 00:00Z'
            THEN updated_at
    END AS updated_at,

-- name: next_version
-- $1 namespace, $2 name
INSERT INTO names AS n (namespace, name, last_version)
VALUES ($1, $2, 1)
ON CONFLICT (namespace, name) DO UPDATE SET last_version = n.last_version + 1
RETURNING last_version

-- name: lock
-- $1 namespace, $2 name
SELECT
    namespace, name, uid, resource_version, generation, version, value_id, keeper, description,
    decrypters, labels, annotations, created_by, updated_by,
    -- include: times
    field_owners, created_by_issuer,
    CASE WHEN issuers_of = resource_version THEN updated_by_issuer ELSE '' END AS updated_by_issuer
FROM secure_values
WHERE namespace = $1 AND name = $2
FOR UPDATE

-- name: lock_to_remove
-- $1 namespace, $2 name
-- Whatever is in the row: what is too large to be read, or not what it should be, is null.
SELECT
    namespace, name, uid, resource_version, generation, version, value_id, keeper,
    CASE WHEN octet_length(description) <= 1048576 THEN description END AS description,
    CASE WHEN pg_column_size(decrypters) <= 1048576 THEN decrypters END AS decrypters,
    CASE
        WHEN pg_column_size(labels) <= 1048576 AND jsonb_typeof(labels) = 'object' THEN labels
    END AS labels,
    CASE WHEN pg_column_size(annotations) <= 1048576 THEN annotations END AS annotations,
    -- include: times
    CASE WHEN octet_length(created_by) <= 1048576 THEN created_by END AS created_by,
    CASE WHEN octet_length(updated_by) <= 1048576 THEN updated_by END AS updated_by,
    CASE WHEN pg_column_size(field_owners) <= 1048576 THEN field_owners END AS field_owners,
    created_by_issuer,
    CASE WHEN issuers_of = resource_version THEN updated_by_issuer ELSE '' END AS updated_by_issuer
FROM secure_values
WHERE namespace = $1 AND name = $2
FOR UPDATE

-- name: unindex
-- $1 namespace, $2 name
-- Reads all labels and decrypters of the namespace.
WITH unlabelled AS (
    DELETE FROM secure_value_labels WHERE namespace = $1 AND name = $2
)
DELETE FROM secure_value_decrypters WHERE namespace = $1 AND name = $2

-- The table of suffixes that a search reads is written by triggers (migration 0004).

-- name: insert
-- $1 namespace, $2 name, $3 uid, $4 resource_version, $5 generation, $6 version, $7 value_id,
-- $8 keeper, $9 description, $10 decrypters, $11 labels, $12 annotations, $13 created_at,
-- $14 created_by, $15 updated_at, $16 updated_by, $17 size_bytes, $18 field_owners,
-- $19 created_by_issuer, $20 updated_by_issuer
WITH labelled AS (
    INSERT INTO secure_value_labels (namespace, label, value, name)
    SELECT $1, l.key, l.value, $2 FROM jsonb_each_text($11) AS l
), allowed AS (
    INSERT INTO secure_value_decrypters (namespace, decrypter, name)
    SELECT $1, d, $2 FROM unnest($10::text []) AS d
)
INSERT INTO secure_values (
    namespace, name, uid, resource_version, generation, version, value_id, keeper, description,
    decrypters, labels, annotations, created_at, created_by, updated_at, updated_by, size_bytes,
    field_owners, created_by_issuer, updated_by_issuer, issuers_of
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $4
)

-- name: replace
-- $1 namespace, $2 name, $3 resource_version, $4 generation, $5 version, $6 value_id,
-- $7 description, $8 decrypters, $9 labels, $10 annotations, $11 updated_at, $12 updated_by,
-- $13 size_bytes, $14 field_owners, $15 updated_by_issuer
-- Every part of one statement sees the row as it was before: `was` is the locked row.
WITH was AS (
    SELECT labels, decrypters FROM secure_values WHERE namespace = $1 AND name = $2
), unlabelled AS (
    DELETE FROM secure_value_labels AS l
    USING was, jsonb_each_text(was.labels) AS w
    WHERE l.namespace = $1 AND l.name = $2 AND l.label = w.key AND l.value = w.value
    AND NOT ($9::jsonb @> jsonb_build_object(w.key, w.value))
), labelled AS (
    INSERT INTO secure_value_labels (namespace, label, value, name)
    SELECT $1, l.key, l.value, $2 FROM jsonb_each_text($9) AS l
    ON CONFLICT (namespace, label, value, name) DO NOTHING
), disallowed AS (
    DELETE FROM secure_value_decrypters AS d
    USING was, unnest(was.decrypters) AS w
    WHERE d.namespace = $1 AND d.name = $2 AND d.decrypter = w AND w <> ALL ($8::text [])
), allowed AS (
    INSERT INTO secure_value_decrypters (namespace, decrypter, name)
    SELECT $1, d, $2 FROM unnest($8::text []) AS d
    ON CONFLICT (namespace, decrypter, name) DO NOTHING
)
UPDATE secure_values
SET
    resource_version = $3, generation = $4, version = $5, value_id = $6, description = $7,
    decrypters = $8, labels = $9, annotations = $10, updated_at = $11, updated_by = $12,
    size_bytes = $13, field_owners = $14, updated_by_issuer = $15, issuers_of = $3
WHERE namespace = $1 AND name = $2

-- name: remove
-- $1 namespace, $2 name
WITH was AS (
    SELECT CASE WHEN jsonb_typeof(labels) = 'object' THEN labels END AS labels, decrypters
    FROM secure_values
    WHERE namespace = $1 AND name = $2
), unlabelled AS (
    DELETE FROM secure_value_labels AS l
    USING was, jsonb_each_text(was.labels) AS w
    WHERE l.namespace = $1 AND l.name = $2 AND l.label = w.key AND l.value = w.value
), disallowed AS (
    DELETE FROM secure_value_decrypters AS d
    USING was, unnest(was.decrypters) AS w
    WHERE d.namespace = $1 AND d.name = $2 AND d.decrypter = w
)
DELETE FROM secure_values WHERE namespace = $1 AND name = $2

-- name: any_kept_by
-- $1 namespace, $2 keeper
SELECT exists(SELECT 1 FROM secure_values WHERE namespace = $1 AND keeper = $2)
