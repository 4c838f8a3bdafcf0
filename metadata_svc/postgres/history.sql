-- name: advance
-- $1 namespace
INSERT INTO counters AS c (namespace, value)
VALUES ($1, 1)
ON CONFLICT (namespace) DO UPDATE SET value = c.value + 1
RETURNING value

-- name: append
-- $1 namespace, $2 resource_version, $3 kind, $4 name, $5 uid, $6 type, $7 object,
-- $8 previous_labels, $9 previous_decrypters
INSERT INTO changes (
    namespace, resource_version, kind, name, uid, type, object,
    previous_labels, previous_decrypters
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: trim
-- $1 minimum age, $2 limit
-- The statement's own time stays the same throughout, so the index is entered by it.
WITH old AS (
    SELECT namespace, resource_version
    FROM changes
    WHERE changed_at <= statement_timestamp() - $1::interval
    ORDER BY changed_at, namespace, resource_version
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
DELETE FROM changes AS c
USING old
WHERE c.namespace = old.namespace AND c.resource_version = old.resource_version
