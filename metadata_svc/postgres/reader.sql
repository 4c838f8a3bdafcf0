-- name: get
-- $1 namespace, $2 name
SELECT
    namespace, name, uid, resource_version, generation, version, value_id, keeper, description,
    decrypters, labels, annotations, created_by, updated_by,
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
FROM secure_values
WHERE namespace = $1 AND name = $2

-- name: locate
-- $1 namespaces, $2 the name in each, both parted by spaces: two texts cross the wire and are
-- taken apart here, which for many names costs the client a third less than two arrays.
-- Each name is looked up by its key, whatever the planner knows of the table (that is what OFFSET 0
-- is for): a plan made when it was small would read all of it. An allow-list that is longer than any
-- may be allows nobody. Nor does it know how many are asked
-- for (that is what the two SELECTs are for): or it would make a new plan each time, which takes
-- twice as long as looking one up.
SELECT asked.position - 1, live.keeper, live.value_id, live.version, live.decrypters
FROM
    unnest((SELECT string_to_array($1, ' ')), (SELECT string_to_array($2, ' ')))
    WITH ORDINALITY AS asked (namespace, name, position)
CROSS JOIN LATERAL (
    SELECT keeper, value_id, version,
        CASE WHEN pg_column_size(decrypters) <= 65536 THEN decrypters ELSE '{}' END AS decrypters
    FROM secure_values
    WHERE secure_values.namespace = asked.namespace AND secure_values.name = asked.name
    OFFSET 0
) AS live

-- name: last_version
-- $1 namespace, $2 name
SELECT last_version FROM names WHERE namespace = $1 AND name = $2

-- name: resource_version
-- $1 namespace
SELECT value FROM counters WHERE namespace = $1
