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

-- The four pages differ in what leads in name order; each reads no more rows than it must.
-- All: $1 namespace, $2 after_name, $3 one more than the limit, $4 bytes a page may weigh,
-- $5 labels, $6 decrypter or ''. `found` counts what matched, up to $3; what would make the page
-- too heavy is left off, but never the first. LIMIT 1 has the planner look up each name in turn,
-- where it might else read the whole namespace beside the selected part.

-- name: page_of_namespace
SELECT
    namespace, name, uid, resource_version, generation, version, value_id, keeper, description,
    decrypters, labels, annotations, created_at, created_by, updated_at, updated_by,
    field_owners, found
FROM (
    SELECT page.*, count(*) OVER () AS found,
        sum(page.size_bytes) OVER (ORDER BY page.name) - page.size_bytes AS bytes_before
    FROM (
        SELECT s.*
        FROM secure_values AS s
        WHERE s.namespace = $1 AND s.name > $2
        AND s.labels @> $5 AND ($6::text = '' OR $6 = ANY (s.decrypters))
        ORDER BY s.name
        LIMIT $3
    ) AS page
) AS weighed
WHERE bytes_before < $4
ORDER BY name

-- name: page_of_names
-- $7 names
SELECT
    namespace, name, uid, resource_version, generation, version, value_id, keeper, description,
    decrypters, labels, annotations, created_at, created_by, updated_at, updated_by,
    field_owners, found
FROM (
    SELECT page.*, count(*) OVER () AS found,
        sum(page.size_bytes) OVER (ORDER BY page.name) - page.size_bytes AS bytes_before
    FROM (
        SELECT s.*
        FROM secure_values AS s
        WHERE s.namespace = $1 AND s.name > $2 AND s.name = ANY ($7::text [])
        AND s.labels @> $5 AND ($6::text = '' OR $6 = ANY (s.decrypters))
        ORDER BY s.name
        LIMIT $3
    ) AS page
) AS weighed
WHERE bytes_before < $4
ORDER BY name

-- name: page_of_label
-- $7 one label of $5, $8 its value
SELECT
    namespace, name, uid, resource_version, generation, version, value_id, keeper, description,
    decrypters, labels, annotations, created_at, created_by, updated_at, updated_by,
    field_owners, found
FROM (
    SELECT page.*, count(*) OVER () AS found,
        sum(page.size_bytes) OVER (ORDER BY page.name) - page.size_bytes AS bytes_before
    FROM (
        SELECT s.*
        FROM secure_value_labels AS l
        CROSS JOIN LATERAL (
            SELECT *
            FROM secure_values
            WHERE namespace = $1 AND name = l.name
            AND labels @> $5 AND ($6::text = '' OR $6 = ANY (decrypters))
            LIMIT 1
        ) AS s
        WHERE l.namespace = $1 AND l.label = $7 AND l.value = $8 AND l.name > $2
        ORDER BY l.name
        LIMIT $3
    ) AS page
) AS weighed
WHERE bytes_before < $4
ORDER BY name

-- name: page_of_decrypter
SELECT
    namespace, name, uid, resource_version, generation, version, value_id, keeper, description,
    decrypters, labels, annotations, created_at, created_by, updated_at, updated_by,
    field_owners, found
FROM (
    SELECT page.*, count(*) OVER () AS found,
        sum(page.size_bytes) OVER (ORDER BY page.name) - page.size_bytes AS bytes_before
    FROM (
        SELECT s.*
        FROM secure_value_decrypters AS d
        CROSS JOIN LATERAL (
            SELECT *
            FROM secure_values
            WHERE namespace = $1 AND name = d.name AND labels @> $5
            LIMIT 1
        ) AS s
        WHERE d.namespace = $1 AND d.decrypter = $6 AND d.name > $2
        ORDER BY d.name
        LIMIT $3
    ) AS page
) AS weighed
WHERE bytes_before < $4
ORDER BY name
