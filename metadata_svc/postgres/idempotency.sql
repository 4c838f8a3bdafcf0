-- name: take
-- $1 namespace, $2 digest of the subject, $3 key, $4 fingerprint, $5 retention
-- Whoever takes the same key meanwhile holds this up until it ends; then one of them has it.
INSERT INTO idempotency_keys AS k (namespace, subject_digest, idempotency_key, fingerprint)
VALUES ($1, $2, $3, $4)
ON CONFLICT (namespace, subject_digest, idempotency_key) DO UPDATE
SET fingerprint = $4, kind = NULL, outcome = NULL, taken_at = clock_timestamp()
WHERE k.taken_at <= clock_timestamp() - $5::interval
RETURNING k.namespace

-- name: read
-- $1 namespace, $2 digest of the subject, $3 key
SELECT fingerprint, kind, outcome
FROM idempotency_keys
WHERE namespace = $1 AND subject_digest = $2 AND idempotency_key = $3

-- name: record
-- $1 namespace, $2 digest of the subject, $3 key, $4 kind, $5 outcome
UPDATE idempotency_keys
SET kind = $4, outcome = $5
WHERE namespace = $1 AND subject_digest = $2 AND idempotency_key = $3

-- name: find
-- $1 namespace, $2 digest of the subject, $3 key, $4 retention
SELECT fingerprint, kind, outcome
FROM idempotency_keys
WHERE namespace = $1 AND subject_digest = $2 AND idempotency_key = $3
AND taken_at > clock_timestamp() - $4::interval

-- name: trim
-- $1 minimum age, $2 limit
-- The statement's own time stays the same throughout, so the index is entered by it.
WITH old AS (
    SELECT namespace, subject_digest, idempotency_key
    FROM idempotency_keys
    WHERE taken_at <= statement_timestamp() - $1::interval
    ORDER BY taken_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_keys AS k
USING old
WHERE k.namespace = old.namespace AND k.subject_digest = old.subject_digest
AND k.idempotency_key = old.idempotency_key
