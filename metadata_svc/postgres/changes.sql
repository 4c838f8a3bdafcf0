-- name: after
-- $1 namespace, $2 resource_version, $3 kind, $4 names or null, $5 limit, $6 bytes
-- An object of another kind or outside the names is not read. What would make the answer heavier
-- than $6 is left off, but never the first. One that is heavier than any object may be (1 MiB, see
-- rows.py) is not read: an empty object stands for it, which is none of any kind. `counter` is the namespace's in the same state; with
-- no change it stands alone.
SELECT
    w.resource_version, w.type, w.name, w.object, w.previous_labels, w.previous_decrypters,
    c.counter
FROM (SELECT coalesce((SELECT value FROM counters WHERE namespace = $1), 0) AS counter) AS c
LEFT JOIN (
    SELECT page.*,
        sum(coalesce(octet_length(page.object), 0)) OVER (ORDER BY page.resource_version)
        - coalesce(octet_length(page.object), 0) AS bytes_before
    FROM (
        SELECT resource_version, type, name,
            CASE WHEN pg_column_size(previous_labels) <= 1048576 THEN previous_labels END
                AS previous_labels,
            CASE WHEN pg_column_size(previous_decrypters) <= 1048576 THEN previous_decrypters END
                AS previous_decrypters,
            CASE
                WHEN kind <> $3 OR name <> ALL ($4::text []) THEN NULL
                WHEN pg_column_size(object) <= 1048576 THEN object::text
                ELSE '{}'
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
