-- name: get
-- $1 namespace, $2 name
SELECT
    namespace, name, uid, resource_version, generation, version, value_id, keeper, description,
    decrypters, labels, annotations, created_at, created_by, updated_at, updated_by,
    field_owners
FROM secure_values
WHERE namespace = $1 AND name = $2

-- name: locate
-- $1 namespace, $2 names
SELECT name, keeper, value_id, version, decrypters
FROM secure_values
WHERE namespace = $1 AND name = ANY ($2::text [])

-- name: last_version
-- $1 namespace, $2 name
SELECT last_version FROM names WHERE namespace = $1 AND name = $2

-- name: resource_version
-- $1 namespace
SELECT value FROM counters WHERE namespace = $1
