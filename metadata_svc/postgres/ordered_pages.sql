-- Pages in an order, of the names that a search finds. $1 to $11 as in page_parts.sql; $12 the
-- search, empty for none; $13 the time that goes with $2 where the order is by time. In a
-- descending order everything on the page comes before $2 and $13.
--
-- There are two ways to a page. If some requirement names at most $14 rows, all of them are
-- `gathered` and sorted. Else the index that has the order is `walked`, past at most $14 names: the
-- page may be short, and `last_name` and `last_time` are then the last that was passed.
--
-- A list by time leaves out what has a time that no answer can carry.

-- part: found
(
    $12::text = '' OR starts_with(leader.name, $12)
    OR strpos(leader.name, '-' || $12) > 0 OR strpos(leader.name, '.' || $12) > 0
)

-- part: walked
SELECT
-- include: columns
    , w.time,
    CASE
        WHEN coalesce(w.found, 0) < $3 THEN (SELECT p.name FROM walk AS p OFFSET $14 - 1 LIMIT 1)
    END AS last_name,
    CASE
        WHEN coalesce(w.found, 0) < $3 THEN (SELECT p.time FROM walk AS p OFFSET $14 - 1 LIMIT 1)
    END AS last_time
-- include: counted

-- part: walked_up
-- include: walked
        SELECT
            s.*, leader.time,
            row_number() OVER (ORDER BY leader.time, leader.name) AS place
        FROM walk AS leader
        -- include: looked_up
        WHERE
        -- include: found
        ORDER BY leader.time, leader.name
-- include: bounded

-- part: walked_down
-- include: walked
        SELECT
            s.*, leader.time,
            row_number() OVER (ORDER BY leader.time DESC, leader.name DESC) AS place
        FROM walk AS leader
        -- include: looked_up
        WHERE
        -- include: found
        ORDER BY leader.time DESC, leader.name DESC
-- include: bounded

-- name: walked_by_name
WITH walk AS MATERIALIZED (
    SELECT s.name, NULL::timestamptz AS time
    FROM secure_values AS s
    WHERE s.namespace = $1 AND s.name > $2
    AND $13::timestamptz IS NULL
    ORDER BY s.name
    LIMIT $14::bigint
)
-- include: walked
        SELECT
            s.*, leader.time,
            row_number() OVER (ORDER BY leader.name) AS place
        FROM walk AS leader
        -- include: looked_up
        WHERE
        -- include: found
        ORDER BY leader.name
-- include: bounded

-- name: walked_by_name_descending
WITH walk AS MATERIALIZED (
    SELECT s.name, NULL::timestamptz AS time
    FROM secure_values AS s
    WHERE s.namespace = $1 AND s.name < $2
    AND $13::timestamptz IS NULL
    ORDER BY s.name DESC
    LIMIT $14::bigint
)
-- include: walked
        SELECT
            s.*, leader.time,
            row_number() OVER (ORDER BY leader.name DESC) AS place
        FROM walk AS leader
        -- include: looked_up
        WHERE
        -- include: found
        ORDER BY leader.name DESC
-- include: bounded

-- name: walked_by_created
WITH walk AS MATERIALIZED (
    SELECT s.name, s.created_at AS time
    FROM secure_values AS s
    WHERE s.namespace = $1 AND (s.created_at, s.name) > ($13::timestamptz, $2)
    AND s.created_at < '9999-12-31 00:00Z'
    ORDER BY s.created_at, s.name
    LIMIT $14::bigint
)
-- include: walked_up

-- name: walked_by_created_descending
WITH walk AS MATERIALIZED (
    SELECT s.name, s.created_at AS time
    FROM secure_values AS s
    WHERE s.namespace = $1 AND (s.created_at, s.name) < ($13::timestamptz, $2)
    AND s.created_at >= '0001-01-02 00:00Z'
    ORDER BY s.created_at DESC, s.name DESC
    LIMIT $14::bigint
)
-- include: walked_down

-- name: walked_by_modified
WITH walk AS MATERIALIZED (
    SELECT s.name, s.updated_at AS time
    FROM secure_values AS s
    WHERE s.namespace = $1 AND (s.updated_at, s.name) > ($13::timestamptz, $2)
    AND s.updated_at < '9999-12-31 00:00Z'
    ORDER BY s.updated_at, s.name
    LIMIT $14::bigint
)
-- include: walked_up

-- name: walked_by_modified_descending
WITH walk AS MATERIALIZED (
    SELECT s.name, s.updated_at AS time
    FROM secure_values AS s
    WHERE s.namespace = $1 AND (s.updated_at, s.name) < ($13::timestamptz, $2)
    AND s.updated_at >= '0001-01-02 00:00Z'
    ORDER BY s.updated_at DESC, s.name DESC
    LIMIT $14::bigint
)
-- include: walked_down

-- What is gathered: $15 says which requirement names it, $16 is its decrypter, keeper or label, $17
-- are its values or names. `cut`: there are too many, and none of them was looked up.

-- part: candidates
WITH candidates AS MATERIALIZED (
    SELECT c.name FROM (
        SELECT name FROM secure_value_suffixes
        WHERE $15::text = 'search' AND namespace = $1
        AND suffix >= $12::text AND suffix < $12 || U&'\+10FFFF'
        UNION ALL
        SELECT name FROM secure_value_labels
        WHERE $15 = 'values' AND namespace = $1 AND label = $16::text
        AND value = ANY ($17::text [])
        UNION ALL
        SELECT name FROM secure_value_labels
        WHERE $15 = 'label' AND namespace = $1 AND label = $16
        UNION ALL
        SELECT name FROM secure_value_decrypters
        WHERE $15 = 'decrypter' AND namespace = $1 AND decrypter = $16
        UNION ALL
        SELECT name FROM secure_values
        WHERE $15 = 'keeper' AND namespace = $1 AND keeper = $16
        UNION ALL
        SELECT n.name FROM unnest($17) AS n (name) WHERE $15 = 'names'
    ) AS c
    LIMIT $14::bigint + 1
), counted AS MATERIALIZED (
    SELECT count(*) > $14 AS cut FROM candidates
), named AS (
    SELECT DISTINCT c.name COLLATE "C" AS name
    FROM candidates AS c
    WHERE NOT (SELECT k.cut FROM counted AS k)
)
SELECT
-- include: columns
    , w.time, (SELECT k.cut FROM counted AS k) AS cut
-- include: counted

-- What the search itself names needs no look at its letters.

-- part: gathered
        -- include: looked_up
        WHERE ($15 = 'search' OR
        -- include: found
        )

-- name: gathered_by_name
-- include: candidates
        SELECT s.*, NULL::timestamptz AS time,
            row_number() OVER (ORDER BY leader.name) AS place
        FROM (SELECT n.name FROM named AS n ORDER BY n.name) AS leader
        -- include: gathered
        AND leader.name > $2 AND $13::timestamptz IS NULL
        ORDER BY leader.name
-- include: bounded

-- name: gathered_by_name_descending
-- include: candidates
        SELECT s.*, NULL::timestamptz AS time,
            row_number() OVER (ORDER BY leader.name DESC) AS place
        FROM (SELECT n.name FROM named AS n ORDER BY n.name DESC) AS leader
        -- include: gathered
        AND leader.name < $2 AND $13::timestamptz IS NULL
        ORDER BY leader.name DESC
-- include: bounded

-- name: gathered_by_created
-- include: candidates
        SELECT s.*, s.created_at AS time,
            row_number() OVER (ORDER BY s.created_at, leader.name) AS place
        FROM named AS leader
        -- include: gathered
        AND (s.created_at, leader.name) > ($13::timestamptz, $2)
        AND s.created_at < '9999-12-31 00:00Z'
        ORDER BY s.created_at, leader.name
-- include: bounded

-- name: gathered_by_created_descending
-- include: candidates
        SELECT s.*, s.created_at AS time,
            row_number() OVER (ORDER BY s.created_at DESC, leader.name DESC) AS place
        FROM named AS leader
        -- include: gathered
        AND (s.created_at, leader.name) < ($13::timestamptz, $2)
        AND s.created_at >= '0001-01-02 00:00Z'
        ORDER BY s.created_at DESC, leader.name DESC
-- include: bounded

-- name: gathered_by_modified
-- include: candidates
        SELECT s.*, s.updated_at AS time,
            row_number() OVER (ORDER BY s.updated_at, leader.name) AS place
        FROM named AS leader
        -- include: gathered
        AND (s.updated_at, leader.name) > ($13::timestamptz, $2)
        AND s.updated_at < '9999-12-31 00:00Z'
        ORDER BY s.updated_at, leader.name
-- include: bounded

-- name: gathered_by_modified_descending
-- include: candidates
        SELECT s.*, s.updated_at AS time,
            row_number() OVER (ORDER BY s.updated_at DESC, leader.name DESC) AS place
        FROM named AS leader
        -- include: gathered
        AND (s.updated_at, leader.name) < ($13::timestamptz, $2)
        AND s.updated_at >= '0001-01-02 00:00Z'
        ORDER BY s.updated_at DESC, leader.name DESC
-- include: bounded
