-- name: claim
-- $1 namespace, $2 value_id
-- Whoever decides the same id meanwhile holds this up until it ends; then one of them has it.
INSERT INTO value_ids (namespace, value_id, state)
VALUES ($1, $2, 'claimed')
ON CONFLICT (namespace, value_id) DO NOTHING
RETURNING value_id

-- name: read
-- $1 namespace, $2 value_id
SELECT state, outcome FROM value_ids WHERE namespace = $1 AND value_id = $2

-- name: record
-- $1 namespace, $2 value_id, $3 outcome
UPDATE value_ids SET outcome = $3 WHERE namespace = $1 AND value_id = $2

-- name: release
-- $1 namespace, $2 value_id
UPDATE value_ids SET state = 'released', released_at = clock_timestamp()
WHERE namespace = $1 AND value_id = $2 AND state = 'claimed'

-- name: refuse
-- $1 namespaces, $2 value_ids, pairwise
-- In the order of the key, so that two of these never wait for each other in a circle.
INSERT INTO value_ids (namespace, value_id, state)
SELECT asked.namespace, asked.value_id, 'refused'
FROM unnest($1::text [], $2::uuid []) AS asked (namespace, value_id)
ORDER BY asked.namespace COLLATE "C", asked.value_id
ON CONFLICT (namespace, value_id) DO NOTHING

-- name: states
-- $1 namespaces, $2 value_ids, pairwise
SELECT v.namespace, v.value_id, v.state
FROM unnest($1::text [], $2::uuid []) AS asked (namespace, value_id)
INNER JOIN value_ids AS v ON v.namespace = asked.namespace AND v.value_id = asked.value_id

-- name: released
-- $1 minimum age, $2 namespace and $3 value_id to start after, $4 limit
SELECT namespace, value_id
FROM value_ids
WHERE
    state = 'released'
    AND released_at <= clock_timestamp() - $1::interval
    AND (namespace, value_id) > ($2, $3)
ORDER BY namespace, value_id
LIMIT $4

-- name: released_since
-- $1 released_at, $2 namespace and $3 value_id to start after, $4 limit
-- A time that no release has had comes from whoever wrote the row by hand. The vault hears of such
-- an id by asking about its value.
SELECT released_at, namespace, value_id
FROM value_ids
WHERE
    state = 'released'
    AND (released_at, namespace, value_id) > ($1, $2, $3)
    AND released_at <= statement_timestamp()
ORDER BY released_at, namespace, value_id
LIMIT $4

-- name: forget_outcomes
-- $1 minimum age, $2 limit
-- The statement's own time stays the same throughout, so the index is entered by it.
WITH old AS (
    SELECT namespace, value_id
    FROM value_ids
    WHERE outcome IS NOT NULL AND decided_at <= statement_timestamp() - $1::interval
    ORDER BY decided_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE value_ids AS v SET outcome = NULL
FROM old
WHERE v.namespace = old.namespace AND v.value_id = old.value_id

-- name: acknowledge
-- $1 namespaces, $2 value_ids, pairwise
WITH locked AS (
    SELECT v.namespace, v.value_id
    FROM unnest($1::text [], $2::uuid []) AS asked (namespace, value_id)
    INNER JOIN value_ids AS v ON v.namespace = asked.namespace AND v.value_id = asked.value_id
    WHERE v.state = 'released'
    ORDER BY v.namespace, v.value_id
    FOR UPDATE OF v
)
UPDATE value_ids AS v SET state = 'erased'
FROM locked
WHERE v.namespace = locked.namespace AND v.value_id = locked.value_id AND v.state = 'released'
