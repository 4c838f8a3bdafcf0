-- What every statement of a page shares. $1 namespace, $2 the name after which it begins, $3 one
-- more than the limit, $4 bytes that a page may weigh; then what must hold of every row: $5 labels
-- it contains, $6 other requirements of labels or null, $7 decrypters it has, $8 those it has not,
-- $9 keepers it has, $10 those it has not, $11 names that it has not.
--
-- `found` counts what matched, up to $3; what would make the page too heavy is left off, but never
-- the first. Of a row that is heavier than any object may be (1 MiB, see rows.py) or has a time that
-- no answer can carry, the contents are not read: they are null, and the row is damaged.
-- `counter` is the namespace's in the very state that the rows are of; with no row on the page it
-- stands alone. `place` orders the rows.
-- LIMIT 1 has the planner look up each name in turn, where it might else read the whole namespace
-- beside the selected part.

-- part: common
    w.namespace, w.name, w.uid, w.resource_version, w.generation,
    CASE WHEN w.readable THEN w.description END AS description,
    CASE WHEN w.readable THEN w.labels END AS labels,
    CASE WHEN w.readable THEN w.annotations END AS annotations,
    CASE WHEN w.readable THEN w.created_at END AS created_at,
    CASE WHEN w.readable THEN w.created_by END AS created_by,
    CASE WHEN w.readable THEN w.updated_at END AS updated_at,
    CASE WHEN w.readable THEN w.updated_by END AS updated_by,
    CASE WHEN w.readable THEN w.field_owners END AS field_owners,
    CASE WHEN w.readable THEN w.created_by_issuer END AS created_by_issuer,
    CASE
        WHEN NOT w.readable THEN NULL
        WHEN w.issuers_of = w.resource_version THEN w.updated_by_issuer
        ELSE ''
    END AS updated_by_issuer,
    w.found, c.counter

-- part: columns
    w.version, w.value_id, w.keeper,
    CASE WHEN w.readable THEN w.decrypters END AS decrypters,
    -- include: common

-- part: counted
FROM (SELECT coalesce((SELECT value FROM counters WHERE namespace = $1), 0) AS counter) AS c
LEFT JOIN (
    SELECT page.*, judged.readable, count(*) OVER () AS found,
        sum(weighed.weight) OVER (ORDER BY page.place) - weighed.weight AS bytes_before
    FROM (

-- part: measured
        LIMIT $3
    ) AS page
    CROSS JOIN LATERAL (
        SELECT octet_length(page.description)::bigint
            + octet_length(page.created_by) + octet_length(page.created_by_issuer)
            + octet_length(page.updated_by) + octet_length(page.updated_by_issuer)
            + pg_column_size(page.labels) + pg_column_size(page.annotations)
            + pg_column_size(page.field_owners)

-- part: judged
            AS size
    ) AS measured
    CROSS JOIN LATERAL (
        SELECT measured.size <= 1048576
            AND page.created_at >= '0001-01-02 00:00Z' AND page.created_at < '9999-12-31 00:00Z'
            AND page.updated_at >= '0001-01-02 00:00Z' AND page.updated_at < '9999-12-31 00:00Z'
            AS readable
    ) AS judged
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN judged.readable THEN greatest(measured.size, least(page.size_bytes, 1048576))
            ELSE 0
        END AS weight
    ) AS weighed
) AS w ON w.bytes_before < $4
ORDER BY w.place

-- part: bounded
-- include: measured
            + pg_column_size(page.decrypters)
-- include: judged

-- part: bounded_keepers
-- include: measured
            + pg_column_size(page.config)
-- include: judged

-- part: labels
-- Without a requirement of labels, those that are none match as well: the row is damaged.
AND (s.labels @> $5 OR ($5::jsonb = '{}' AND jsonb_typeof(s.labels) <> 'object'))
AND ($6::jsonb IS NULL OR NOT EXISTS (
    SELECT FROM jsonb_to_recordset($6) AS r (
        key text, one_of jsonb, none_of jsonb, present boolean,
        above numeric, below numeric
    )
    WHERE NOT CASE
        WHEN r.one_of IS NOT NULL THEN coalesce(r.one_of ? (s.labels ->> r.key), false)
        WHEN r.none_of IS NOT NULL
            THEN coalesce(NOT r.none_of ? (s.labels ->> r.key), true)
        WHEN r.present IS NOT NULL THEN (s.labels ? r.key) = r.present
        WHEN (s.labels ->> r.key) ~ '^[0-9]{1,63}$'
            THEN (s.labels ->> r.key)::numeric
                BETWEEN coalesce(r.above + 1, 0)
                AND coalesce(r.below - 1, 9223372036854775807)
        ELSE false
    END
))

-- part: rules
-- include: labels
AND s.decrypters @> $7::text [] AND NOT s.decrypters && $8::text []
AND s.keeper = ALL ($9::text []) AND s.keeper <> ALL ($10::text [])
AND s.name <> ALL ($11::text [])

-- part: looked_up
CROSS JOIN LATERAL (
    SELECT *
    FROM secure_values AS s
    WHERE s.namespace = $1 AND s.name = leader.name
    -- include: rules
    LIMIT 1
) AS s
