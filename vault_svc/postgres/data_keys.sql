-- name: reserve_wraps
-- $1 namespace, $2 wraps, $3 highest count with room for them, $4 created after
UPDATE data_keys
SET wraps_reserved = wraps_reserved + $2
WHERE namespace = $1 AND state = 'active' AND wraps_reserved <= $3 AND created_at > $4
RETURNING namespace, data_key_id, kek_id, state, wrapped_key, purpose;

-- name: retire_due
-- $1 namespace, $2 highest count with room for another block, $3 created after
UPDATE data_keys
SET state = 'retired'
WHERE namespace = $1 AND state = 'active' AND (wraps_reserved > $2 OR created_at <= $3);

-- name: insert_active
-- $1 namespace, $2 data key id, $3 KEK id, $4 wrapped key, $5 created at
INSERT INTO data_keys (namespace, data_key_id, kek_id, state, wrapped_key, created_at)
VALUES ($1, $2, $3, 'active', $4, $5)
ON CONFLICT (namespace) WHERE state = 'active' DO NOTHING;

-- name: read_key
-- $1 namespace, $2 data key id
SELECT
    namespace, data_key_id, kek_id, state, wrapped_key, purpose, created_at, wraps_reserved
FROM data_keys
WHERE namespace = $1 AND data_key_id = $2;

-- name: lock_key
-- $1 namespace, $2 data key id
SELECT state
FROM data_keys
WHERE namespace = $1 AND data_key_id = $2
FOR UPDATE;

-- name: set_state
-- $1 namespace, $2 data key id, $3 state
UPDATE data_keys
SET state = $3
WHERE namespace = $1 AND data_key_id = $2;

-- name: count_values_under
-- $1 namespace, $2 data key id
SELECT count(*)
FROM sealed_values
WHERE namespace = $1 AND data_key_id = $2;

-- name: erase_key
-- $1 namespace, $2 data key id
UPDATE data_keys
SET state = 'destroyed', wrapped_key = ''
WHERE namespace = $1 AND data_key_id = $2;

-- name: samples_per_kek
-- $1 at most, of each KEK; steps from one KEK id to the next by index
WITH RECURSIVE keks (kek_id) AS (
    SELECT min(kek_id) FROM data_keys WHERE state <> 'destroyed'
    UNION ALL
    SELECT (
        SELECT min(data_keys.kek_id)
        FROM data_keys
        WHERE data_keys.kek_id > keks.kek_id AND state <> 'destroyed'
    )
    FROM keks
    WHERE keks.kek_id IS NOT NULL
)
SELECT
    sample.namespace, sample.data_key_id, sample.kek_id, sample.state, sample.wrapped_key,
    sample.purpose
FROM keks
CROSS JOIN LATERAL (
    SELECT namespace, data_key_id, kek_id, state, wrapped_key, purpose
    FROM data_keys
    WHERE data_keys.kek_id = keks.kek_id AND state <> 'destroyed'
    ORDER BY namespace, data_key_id
    LIMIT $1
) AS sample;

-- name: kek_usage
-- $1 KEK ids
SELECT kek_id, count(*) AS data_key_count, count(DISTINCT namespace) AS namespace_count
FROM data_keys
WHERE kek_id = ANY($1::text[]) AND state <> 'destroyed'
GROUP BY kek_id;
