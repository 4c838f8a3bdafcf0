-- A caller's row is under the digest of its subject, where earlier releases look, or, when another
-- issuer's equal subject had the key first, under the digest of issuer and subject. The issuer of a
-- row counts only while it is that of the last take: an earlier release takes an old key anew and
-- leaves the issuer as it was.

-- name: take
-- $1 namespace, $2 the digest to take it under, $3 key, $4 digest of issuer and subject, $5 issuer,
-- $6 retention, $7 fingerprint, $8 issuer_fingerprint
-- Whoever takes the same key meanwhile holds this up until it ends; then one of them has it.
INSERT INTO idempotency_keys AS k (
    namespace, subject_digest, idempotency_key, fingerprint, issuer, issuer_fingerprint,
    taken_at, issuer_taken_at
)
SELECT $1, $2::bytea, $3, $7::bytea, $5, $8::bytea, now.moment, now.moment
FROM (SELECT clock_timestamp() AS moment) AS now
WHERE NOT EXISTS (
    SELECT FROM idempotency_keys AS own
    WHERE own.namespace = $1 AND own.subject_digest = $4 AND own.idempotency_key = $3
    AND own.taken_at > now.moment - $6::interval
)
ON CONFLICT (namespace, subject_digest, idempotency_key) DO UPDATE
SET
    fingerprint = $7, issuer = $5, issuer_fingerprint = $8, kind = NULL, outcome = NULL,
    taken_at = excluded.taken_at, issuer_taken_at = excluded.issuer_taken_at
WHERE k.taken_at <= clock_timestamp() - $6::interval
RETURNING k.namespace

-- name: find
-- $1 namespace, $2 digest of the subject, $3 key, $4 digest of issuer and subject, $5 issuer,
-- $6 retention
-- The caller's own row; else one whose issuer is not known.
SELECT fingerprint, kind, outcome, known.issuer, known.issuer_fingerprint
FROM idempotency_keys AS k
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN k.issuer_taken_at = k.taken_at THEN k.issuer END AS issuer,
        CASE WHEN k.issuer_taken_at = k.taken_at THEN k.issuer_fingerprint END
            AS issuer_fingerprint
) AS known
WHERE k.namespace = $1 AND k.idempotency_key = $3
AND k.subject_digest = ANY (ARRAY[$2::bytea, $4::bytea])
AND k.taken_at > clock_timestamp() - $6::interval
AND (known.issuer IS NULL OR known.issuer = $5)
ORDER BY known.issuer NULLS LAST
LIMIT 1

-- name: record
-- $1 namespace, $2 digest of the subject, $3 key, $4 digest of issuer and subject, $5 issuer,
-- $6 kind, $7 outcome
-- Of the caller's rows only the one that this transaction took has no outcome.
UPDATE idempotency_keys
SET kind = $6, outcome = $7
WHERE namespace = $1 AND idempotency_key = $3
AND subject_digest = ANY (ARRAY[$2::bytea, $4::bytea])
AND issuer = $5 AND issuer_taken_at = taken_at AND outcome IS NULL

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
