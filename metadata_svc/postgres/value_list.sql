-- name: declare_list
-- Values that the vault should hold: those that a secure value points to, by name, and those that
-- nothing points to any more. One statement, so that all of it is of one moment.
DECLARE value_list NO SCROLL CURSOR FOR
SELECT v.namespace, v.value_id, v.state, live.name
FROM value_ids AS v
LEFT JOIN secure_values AS live
    ON live.namespace = v.namespace AND live.value_id = v.value_id AND live.keeper = 'system'
WHERE v.state = 'released' OR live.name IS NOT NULL
ORDER BY v.namespace, v.value_id

-- name: fetch_list
FETCH 1000 FROM value_list

-- name: find
-- $1 namespaces, $2 value ids, pairwise
SELECT asked.namespace, asked.value_id, v.state, live.name
FROM unnest($1::text [], $2::uuid []) WITH ORDINALITY
    AS asked (namespace, value_id, position)
LEFT JOIN value_ids AS v
    ON v.namespace = asked.namespace AND v.value_id = asked.value_id
LEFT JOIN secure_values AS live
    ON live.namespace = asked.namespace AND live.value_id = asked.value_id
ORDER BY asked.position
