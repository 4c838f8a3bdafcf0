-- One page each, in the order of names. $1 to $11 as in page_parts.sql. They differ in what leads;
-- each reads no more rows than it must.

-- name: page_of_namespace
SELECT
-- include: columns
-- include: counted
        SELECT s.*, s.name AS place
        FROM secure_values AS s
        WHERE s.namespace = $1 AND s.name > $2
        -- include: rules
        ORDER BY s.name
-- include: bounded

-- name: page_of_names
-- $12 names
SELECT
-- include: columns
-- include: counted
        SELECT s.*, s.name AS place
        FROM secure_values AS s
        WHERE s.namespace = $1 AND s.name > $2 AND s.name = ANY ($12::text [])
        -- include: rules
        ORDER BY s.name
-- include: bounded

-- name: page_of_label
-- $12 label, $13 its value
SELECT
-- include: columns
-- include: counted
        SELECT s.*, s.name AS place
        FROM secure_value_labels AS leader
        -- include: looked_up
        WHERE leader.namespace = $1 AND leader.label = $12 AND leader.value = $13
        AND leader.name > $2
        ORDER BY leader.name
-- include: bounded

-- The first $14 names that have one of the values: they are among the first so many of each value.
-- `cut` says that there may be more.

-- name: page_of_values
-- $12 label, $13 its values, $14 names to look at
WITH merged AS MATERIALIZED (
    SELECT l.name
    FROM unnest($13::text []) AS v (value)
    CROSS JOIN LATERAL (
        SELECT name
        FROM secure_value_labels
        WHERE namespace = $1 AND label = $12 AND value = v.value AND name > $2
        ORDER BY name
        LIMIT $14
    ) AS l
    ORDER BY l.name
    LIMIT $14
)
SELECT
-- include: columns
    , (SELECT count(*) FROM merged) >= $14 AS cut
-- include: counted
        SELECT s.*, s.name AS place
        FROM merged AS leader
        -- include: looked_up
        ORDER BY leader.name
-- include: bounded

-- The label's index has its values beside the names: those not asked for are passed over there.

-- name: page_of_any_value
-- $12 label; $13 values or null; $14 least and $15 greatest number, or null
SELECT
-- include: columns
-- include: counted
        SELECT s.*, s.name AS place
        FROM secure_value_labels AS leader
        -- include: looked_up
        WHERE leader.namespace = $1 AND leader.label = $12 AND leader.name > $2
        AND ($13::text [] IS NULL OR leader.value = ANY ($13))
        AND ($14::numeric IS NULL OR CASE
            WHEN leader.value ~ '^[0-9]{1,63}$'
                THEN leader.value::numeric BETWEEN $14 AND $15::numeric
            ELSE false
        END)
        ORDER BY leader.name
-- include: bounded

-- name: page_of_decrypter
-- $12 decrypter
SELECT
-- include: columns
-- include: counted
        SELECT s.*, s.name AS place
        FROM secure_value_decrypters AS leader
        -- include: looked_up
        WHERE leader.namespace = $1 AND leader.decrypter = $12 AND leader.name > $2
        ORDER BY leader.name
-- include: bounded

-- name: page_of_keeper
-- $12 keeper
SELECT
-- include: columns
-- include: counted
        SELECT s.*, s.name AS place
        FROM secure_values AS s
        WHERE s.namespace = $1 AND s.keeper = $12 AND s.name > $2
        -- include: rules
        ORDER BY s.name
-- include: bounded

-- How far each leader's names reach: the name that comes after $3 others, if there are so many. Who
-- reaches farthest has the fewest names here, however many there are elsewhere.

-- name: reaches
-- $1 namespace, $2 after_name, $3 names to pass; of each leader: $4 label, $5 its value, $6 label
-- with any value, $7 decrypter, $8 keeper; what is not asked for is null
SELECT
    CASE
        WHEN l.label IS NOT NULL THEN (
            SELECT name FROM secure_value_labels
            WHERE namespace = $1 AND label = l.label AND value = l.value AND name > $2
            ORDER BY name LIMIT 1 OFFSET $3
        )
        WHEN l.any_value IS NOT NULL THEN (
            SELECT name FROM secure_value_labels
            WHERE namespace = $1 AND label = l.any_value AND name > $2
            ORDER BY name LIMIT 1 OFFSET $3
        )
        WHEN l.decrypter IS NOT NULL THEN (
            SELECT name FROM secure_value_decrypters
            WHERE namespace = $1 AND decrypter = l.decrypter AND name > $2
            ORDER BY name LIMIT 1 OFFSET $3
        )
        ELSE (
            SELECT name FROM secure_values
            WHERE namespace = $1 AND keeper = l.keeper AND name > $2
            ORDER BY name LIMIT 1 OFFSET $3
        )
    END AS name
FROM unnest($4::text [], $5::text [], $6::text [], $7::text [], $8::text [])
    WITH ORDINALITY AS l (label, value, any_value, decrypter, keeper, position)
ORDER BY l.position

-- A namespace has few keepers: they are passed one by one, in the order of names.

-- name: page_of_keepers
-- $1 to $6 as above, $7 names that it has not, $8 names or null
SELECT
    w.active, CASE WHEN w.readable THEN w.config END AS config,
    -- include: common
-- include: counted
        SELECT s.*, s.name AS place
        FROM keepers AS s
        WHERE s.namespace = $1 AND s.name > $2
        AND s.name <> ALL ($7::text []) AND ($8::text [] IS NULL OR s.name = ANY ($8))
        -- include: labels
        ORDER BY s.name
-- include: bounded_keepers
