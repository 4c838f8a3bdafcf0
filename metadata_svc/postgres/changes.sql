-- name: after
-- $1 namespace, $2 resource_version, $3 kind, $4 names or null, $5 limit, $6 bytes
-- An object of another kind or outside the names is not read. What would make the answer heavier
-- than $6 is left off, but never the first. `counter` is the namespace's in the same state; with
-- no change it stands alone.
SELECT
    w.resource_version, w.type, w.object, w.previous_labels, w.previous_decrypters, c.counter
FROM (SELECT coalesce((SELECT value FROM counters WHERE namespace = $1), 0) AS counter) AS c
LEFT JOIN (
    SELECT page.*,
        sum(coalesce(octet_length(page.object), 0)) OVER (ORDER BY page.resource_version)
        - coalesce(octet_length(page.object), 0) AS bytes_before
    FROM (
        SELECT resource_version, type, previous_labels, previous_decrypters,
            CASE
                WHEN kind = $3 AND ($4::text [] IS NULL OR name = ANY ($4)) THEN object::text
            END AS object
        FROM changes
        WHERE namespace = $1 AND resource_version > $2
        ORDER BY resource_version
        LIMIT $5
    ) AS page
) AS w ON w.bytes_before < $6
ORDER BY w.resource_version

-- name: counters
-- $1 namespaces
SELECT namespace, value FROM counters WHERE namespace = ANY ($1::text [])
