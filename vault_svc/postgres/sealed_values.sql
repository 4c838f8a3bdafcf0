-- name: insert_value
-- $1 namespace, $2 value id, $3 data key id, $4 wrapped value key, $5 sealed value, $6 stored at
-- The share lock holds off whoever would retire, disable or destroy the key until this commits.
WITH usable AS (
    SELECT namespace, data_key_id
    FROM data_keys
    WHERE namespace = $1 AND data_key_id = $3 AND state = 'active'
    FOR SHARE
)
INSERT INTO sealed_values
    (namespace, value_id, data_key_id, wrapped_value_key, sealed_value, stored_at)
SELECT namespace, $2::uuid, data_key_id, $4::bytea, $5::bytea, $6::timestamptz
FROM usable;

-- name: read_values
-- $1 namespaces, $2 value ids, both parted by spaces, pairwise and different, $3 bytes at most, of
-- all sealed values. Two texts cross the wire and are taken apart here: the driver knows no arrays
-- of uuid by itself, and on each connection's first use of one asks the server with three
-- statements more, for which a decrypt would wait.
-- Each value is looked up by its key, and its data key after it, whatever the planner knows of the
-- tables (that is what OFFSET 0 is for): a plan made when they were small would read all of them.
-- Nor does it know how many are asked for (that is what the two SELECTs are for): or it would make a
-- new plan each time, which takes as long as looking one up.
SELECT
    asked.position - 1,
    found.data_key_id,
    found.wrapped_value_key,
    CASE
        WHEN sum(octet_length(found.sealed_value)) OVER () <= $3::bigint
        THEN found.sealed_value
    END AS sealed_value,
    sum(octet_length(found.sealed_value)) OVER () AS total_bytes,
    data_key.kek_id,
    data_key.state,
    data_key.wrapped_key,
    data_key.purpose
FROM
    unnest((SELECT string_to_array($1, ' ')), (SELECT string_to_array($2, ' ')))
    WITH ORDINALITY AS asked (namespace, value_id, position)
CROSS JOIN LATERAL (
    -- What is larger than the vault makes it opens under no key: it is not read, so that it is not
    -- in the way of others.
    SELECT namespace, data_key_id,
        CASE WHEN octet_length(wrapped_value_key) <= 1024 THEN wrapped_value_key ELSE '' END
            AS wrapped_value_key,
        CASE WHEN octet_length(sealed_value) <= 32768 THEN sealed_value ELSE '' END
            AS sealed_value
    FROM sealed_values
    WHERE sealed_values.namespace = asked.namespace
        AND sealed_values.value_id = asked.value_id::uuid
    OFFSET 0
) AS found
CROSS JOIN LATERAL (
    SELECT kek_id, state, purpose,
        CASE WHEN octet_length(wrapped_key) <= 4096 THEN wrapped_key ELSE '' END AS wrapped_key
    FROM data_keys
    WHERE data_keys.namespace = found.namespace AND data_keys.data_key_id = found.data_key_id
    OFFSET 0
) AS data_key;

-- name: schedule
-- $1 namespaces, $2 value ids, pairwise, $3 heard at, $4 erase at
-- Answers every row that is there and whether its time of erasure was set by this. It was claimed
-- once, or it could not have been released.
WITH there AS (
    SELECT sealed_values.namespace, sealed_values.value_id, sealed_values.erase_at
    FROM sealed_values
    INNER JOIN unnest($1::text[], $2::uuid[]) AS asked (namespace, value_id)
        ON sealed_values.namespace = asked.namespace
        AND sealed_values.value_id = asked.value_id
    ORDER BY sealed_values.namespace, sealed_values.value_id
    FOR UPDATE OF sealed_values
), scheduled AS (
    UPDATE sealed_values
    SET erase_at = $4, claimed_at = coalesce(sealed_values.claimed_at, $3)
    FROM there
    WHERE sealed_values.namespace = there.namespace
        AND sealed_values.value_id = there.value_id
        AND there.erase_at IS NULL
)
SELECT namespace, value_id, erase_at IS NULL AS scheduled FROM there;

-- name: schedule_refused
-- $1 namespaces, $2 value ids, pairwise, $3 erase at, $4 erase at if the write was seen to fail
-- What is known to be claimed is kept: it loses its time of erasure, if it has one.
-- Answers every row that is there, as it was. A time that nobody here wrote has no form for the
-- driver (infinity, or before or after its calendar), so only whether there is one is answered.
WITH there AS (
    SELECT
        sealed_values.namespace, sealed_values.value_id, sealed_values.erase_at,
        sealed_values.claimed_at
    FROM sealed_values
    INNER JOIN unnest($1::text[], $2::uuid[]) AS asked (namespace, value_id)
        ON sealed_values.namespace = asked.namespace
        AND sealed_values.value_id = asked.value_id
    ORDER BY sealed_values.namespace, sealed_values.value_id
    FOR UPDATE OF sealed_values
), scheduled AS (
    UPDATE sealed_values
    SET erase_at = CASE
        WHEN there.claimed_at IS NULL AND sealed_values.failed_at IS NULL THEN $3::timestamptz
        WHEN there.claimed_at IS NULL THEN $4::timestamptz
    END
    FROM there
    WHERE sealed_values.namespace = there.namespace
        AND sealed_values.value_id = there.value_id
        AND (there.erase_at IS NULL) = (there.claimed_at IS NULL)
)
SELECT namespace, value_id, erase_at IS NOT NULL AS waits, claimed_at IS NOT NULL AS claimed
FROM there;

-- name: mark_claimed
-- $1 namespaces, $2 value ids, pairwise, $3 claimed at
UPDATE sealed_values
SET claimed_at = coalesce(sealed_values.claimed_at, $3), erase_at = NULL, failed_at = NULL
FROM unnest($1::text[], $2::uuid[]) AS asked (namespace, value_id)
WHERE sealed_values.namespace = asked.namespace
    AND sealed_values.value_id = asked.value_id
    AND (sealed_values.claimed_at IS NULL OR sealed_values.erase_at IS NOT NULL);

-- name: mark_failed
-- $1 namespace, $2 value id, $3 failed at
UPDATE sealed_values
SET failed_at = $3
WHERE namespace = $1 AND value_id = $2 AND claimed_at IS NULL AND failed_at IS NULL;

-- name: erase_due
-- $1 namespaces, $2 value ids, pairwise, $3 now
DELETE FROM sealed_values
USING unnest($1::text[], $2::uuid[]) AS asked (namespace, value_id)
WHERE sealed_values.namespace = asked.namespace
    AND sealed_values.value_id = asked.value_id
    AND sealed_values.erase_at <= $3
RETURNING sealed_values.namespace, sealed_values.value_id;

-- name: page_of_due
-- $1 now, $2 to $4 after erase at, namespace and value id, $5 at most
-- A time before the driver's calendar is answered as that calendar's beginning.
SELECT greatest(erase_at, '0001-01-02 00:00:00+00') AS due_at, namespace, value_id
FROM sealed_values
WHERE erase_at <= $1
    AND (erase_at, namespace, value_id) > ($2, $3, $4::uuid)
ORDER BY erase_at, namespace, value_id
LIMIT $5;

-- name: page_of_unclaimed
-- $1 stored before, $2 and $3 after namespace and value id, $4 at most
SELECT namespace, value_id
FROM sealed_values
WHERE claimed_at IS NULL
    AND erase_at IS NULL
    AND stored_at < $1
    AND (namespace, value_id) > ($2, $3::uuid)
ORDER BY namespace, value_id
LIMIT $4;

-- name: page_of_all
-- $1 stored before, $2 and $3 after namespace and value id, $4 at most
SELECT namespace, value_id
FROM sealed_values
WHERE stored_at < $1
    AND (namespace, value_id) > ($2, $3::uuid)
ORDER BY namespace, value_id
LIMIT $4;

-- name: page_of_rows
-- $1 and $2 after namespace and value id, $3 at most, $4 bytes at most of each column
SELECT
    found.namespace,
    found.value_id,
    found.data_key_id,
    CASE
        WHEN octet_length(found.wrapped_value_key) <= $4 THEN found.wrapped_value_key ELSE ''
    END AS wrapped_value_key,
    CASE
        WHEN octet_length(found.sealed_value) <= $4 THEN found.sealed_value ELSE ''
    END AS sealed_value,
    octet_length(found.sealed_value) AS size_bytes,
    found.erase_at IS NOT NULL AS awaits_erasure,
    data_keys.kek_id,
    data_keys.state,
    CASE
        WHEN octet_length(data_keys.wrapped_key) <= $4 THEN data_keys.wrapped_key ELSE ''
    END AS wrapped_key,
    data_keys.purpose
FROM sealed_values AS found
LEFT JOIN data_keys
    ON data_keys.namespace = found.namespace AND data_keys.data_key_id = found.data_key_id
WHERE (found.namespace, found.value_id) > ($1, $2::uuid)
ORDER BY found.namespace, found.value_id
LIMIT $3;
