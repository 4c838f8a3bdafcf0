-- name: active
-- $1 namespace
SELECT name FROM keepers WHERE namespace = $1 AND active

-- name: read
-- $1 namespace, $2 name
SELECT name FROM keepers WHERE namespace = $1 AND name = $2

-- name: lock
-- $1 namespace, $2 name
-- Shared: claims do not hold up one another, only whoever changes or deletes the keeper.
SELECT name FROM keepers WHERE namespace = $1 AND name = $2 FOR SHARE
