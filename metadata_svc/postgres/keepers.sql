-- part: columns
    namespace, name, uid, resource_version, generation, active, description, config, labels,
    annotations, created_by, updated_by,
    -- A time that no answer can carry is null.
    CASE
        WHEN created_at >= '0001-01-02 00:00Z' AND created_at < '9999-12-31 00:00Z'
            THEN created_at
    END AS created_at,
    CASE
        WHEN updated_at >= '0001-01-02 00:00Z' AND updated_at < '9999-12-31 00:00Z'
            THEN updated_at
    END AS updated_at,
    field_owners, created_by_issuer,
    CASE WHEN issuers_of = resource_version THEN updated_by_issuer ELSE '' END AS updated_by_issuer

-- name: active
-- $1 namespace
SELECT name FROM keepers WHERE namespace = $1 AND active

-- name: read
-- $1 namespace, $2 name
SELECT
    -- include: columns
FROM keepers
WHERE namespace = $1 AND name = $2

-- name: lock
-- $1 namespace, $2 name
-- Shared: claims do not hold up one another, only whoever changes or deletes the keeper.
SELECT name FROM keepers WHERE namespace = $1 AND name = $2 FOR SHARE

-- name: lock_to_change
-- $1 namespace, $2 name
SELECT
    -- include: columns
FROM keepers
WHERE namespace = $1 AND name = $2
FOR UPDATE

-- name: hold_activation
-- $1 namespace
INSERT INTO keeper_activations AS k (namespace, count)
VALUES ($1, 1)
ON CONFLICT (namespace) DO UPDATE SET count = k.count + 1

-- name: lock_to_activate
-- $1 namespace, $2 name
-- After hold_activation, and a statement of its own: it sees which one the last holder activated.
-- Nobody makes another one active meanwhile; one that is deleted before its lock is not here.
SELECT
    -- include: columns
FROM keepers
WHERE namespace = $1 AND (active OR name = $2)
ORDER BY name
FOR UPDATE

-- name: count
-- $1 namespace
SELECT count(*) FROM keepers WHERE namespace = $1

-- name: insert
-- $1 namespace, $2 name, $3 uid, $4 resource_version, $5 generation, $6 active, $7 description,
-- $8 type, $9 config, $10 labels, $11 annotations, $12 created_at, $13 created_by,
-- $14 updated_at, $15 updated_by, $16 field_owners, $17 size_bytes,
-- $18 created_by_issuer, $19 updated_by_issuer
INSERT INTO keepers (
    namespace, name, uid, resource_version, generation, active, description, type, config,
    labels, annotations, created_at, created_by, updated_at, updated_by, field_owners, size_bytes,
    created_by_issuer, updated_by_issuer, issuers_of
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $4
)

-- name: replace
-- $1 namespace, $2 name, $3 resource_version, $4 generation, $5 active, $6 description, $7 type,
-- $8 config, $9 labels, $10 annotations, $11 updated_at, $12 updated_by, $13 field_owners,
-- $14 size_bytes, $15 updated_by_issuer
UPDATE keepers
SET
    resource_version = $3, generation = $4, active = $5, description = $6, type = $7,
    config = $8, labels = $9, annotations = $10, updated_at = $11, updated_by = $12,
    field_owners = $13, size_bytes = $14, updated_by_issuer = $15, issuers_of = $3
WHERE namespace = $1 AND name = $2

-- name: remove
-- $1 namespace, $2 name
DELETE FROM keepers WHERE namespace = $1 AND name = $2
