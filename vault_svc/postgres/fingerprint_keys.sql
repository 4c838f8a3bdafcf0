-- name: current
-- $1 namespace
SELECT namespace, data_key_id, kek_id, state, wrapped_key, purpose
FROM data_keys
WHERE namespace = $1 AND purpose = 'fingerprint' AND state = 'retired';

-- name: keep
-- $1 namespace, $2 key id, $3 KEK id, $4 wrapped key, $5 created at
INSERT INTO data_keys
    (namespace, data_key_id, kek_id, state, wrapped_key, created_at, purpose)
VALUES ($1, $2, $3, 'retired', $4, $5, 'fingerprint')
ON CONFLICT (namespace) WHERE purpose = 'fingerprint' AND state = 'retired' DO NOTHING;

-- name: give_up
-- $1 namespace, $2 key id
UPDATE data_keys
SET state = 'disabled'
WHERE namespace = $1 AND data_key_id = $2 AND purpose = 'fingerprint' AND state = 'retired';
