-- name: of_codes
-- The terms of updates that an erasure leaves.
SELECT term('key', u.key) AS term, 0 AS at, u.id AS update_id FROM updates AS u WHERE {which}
UNION ALL SELECT term('status', u.status), 0, u.id FROM updates AS u WHERE {which}

-- name: of_erased
-- What tells a repeat of an erased update that has no time: `repeats_last`.
SELECT term('erased', u.account_id || hex(substr(u.key, 6, 6))) AS term, 0 AS at, u.id AS update_id FROM updates AS u
WHERE {which} AND u.erased_at IS NOT NULL

-- name: of_names
-- Those that tell of a person.
SELECT term('name', u.shipment) AS term, coalesce(u.occurred_at, 0) AS at, u.id AS update_id FROM updates AS u
    WHERE {which} AND u.erased_at IS NULL
UNION ALL SELECT term('name', u.awb), 0, u.id FROM updates AS u WHERE {which} AND u.awb <> u.shipment
UNION ALL SELECT term('name', u.forward_awb), 0, u.id FROM updates AS u WHERE {which} AND u.forward_awb IS NOT NULL
UNION ALL SELECT term('order', u.order_id), 0, u.id FROM updates AS u WHERE {which} AND u.order_id IS NOT NULL

-- name: of_pushes
-- The terms of their pushes: one for each PushConfig.
SELECT term('config', p.config_id), 0, p.update_id FROM pushes AS p WHERE {which}

-- name: state
-- How far terms goes, and how far retention has come.
SELECT up_to, trimmed_to FROM indexed;

-- name: last_id
-- No new update gets this id or a lower one.
SELECT max(coalesce((SELECT max(id) FROM updates), 0), (SELECT up_to FROM indexed));

-- name: size
-- About how many updates there are: ids grow without large gaps. SQLite goes straight to an end of the table for one
-- min or max alone; for both in one SELECT it reads the whole table.
SELECT coalesce((SELECT max(id) FROM updates) - (SELECT min(id) FROM updates), 0);

-- name: stored_keys
-- Which of these keys are stored, of the updates in terms.
WITH n (key, term) AS (VALUES {rows})
SELECT n.key FROM n WHERE EXISTS (
    SELECT 1 FROM terms AS t CROSS JOIN updates AS u ON u.id = t.update_id WHERE t.term = n.term AND u.key = n.key
);

-- name: keys_among
-- The same of updates whose ids are known.
WITH n (key, id) AS (VALUES {rows})
SELECT n.key FROM n CROSS JOIN updates AS u ON u.id = n.id AND u.key = n.key;

-- name: later_stored
-- Entries with a name of which terms has a later one of an update that was received before.
WITH n (term, at, id) AS (VALUES {rows})
SELECT n.id FROM n WHERE EXISTS (
    SELECT 1 FROM terms AS t WHERE t.term = n.term AND t.at > n.at AND t.update_id < n.id
);

-- name: merge
-- Entries of a slice, in order; those that a crash left unfinished are there already.
INSERT OR IGNORE INTO terms (term, at, update_id) VALUES {rows};

-- name: sweep
-- What retention left behind in the pages of a slice, which are written anyway.
DELETE FROM terms WHERE (term, at, update_id) > (?, ?, ?) AND (term, at, update_id) <= (?, ?, ?)
    AND update_id <= ? AND NOT EXISTS (SELECT 1 FROM updates AS u WHERE u.id = terms.update_id);

-- name: finish
-- Everything up to an id is in terms.
UPDATE indexed SET up_to = max(up_to, ?), trimmed_to = CASE trimmed_to WHEN ? THEN 0 ELSE trimmed_to END;

-- name: trimmed
-- Retention has deleted updates up to this id.
UPDATE indexed SET trimmed_to = max(trimmed_to, ?);

-- name: window_end
-- The last id of the next updates.
SELECT max(id) FROM (SELECT id FROM updates WHERE id > ? ORDER BY id LIMIT ?);

-- name: id_of_key
-- Which update has a key.
SELECT u.id FROM (
    SELECT update_id AS id FROM terms WHERE term = term('key', ?1) AND update_id <= (SELECT up_to FROM indexed)
    UNION ALL SELECT r.id FROM updates AS r WHERE r.id > (SELECT up_to FROM indexed) AND r.key = ?1
) AS f CROSS JOIN updates AS u ON u.id = f.id AND u.key = ?1;
