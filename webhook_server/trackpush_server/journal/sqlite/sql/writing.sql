-- name: new_name
-- A name of an account or a PushConfig gets a number.
INSERT INTO names (name) VALUES (?);

-- name: insert_updates
-- New updates; one that is already there is passed over.
INSERT INTO updates (id, key, account_id, received_at, occurred_at, shipment, awb, forward_awb, order_id, status,
    notification, body, trace)
VALUES {rows} ON CONFLICT (key) DO NOTHING;

-- name: insert_pushes
-- Pushes of new updates.
INSERT INTO pushes (update_id, config_id, state, late) VALUES {rows};

-- name: apply_outcomes
-- The state of pushes after attempts: at most one row per push in a statement.
WITH o (update_id, config_id, state, tries, rejections, due_at, ended_at, error) AS (VALUES {rows})
UPDATE pushes SET state = o.state, tries = o.tries, rejections = o.rejections, due_at = o.due_at, ended_at = o.ended_at,
    error = o.error
FROM o WHERE pushes.update_id = o.update_id AND pushes.config_id = o.config_id;

-- name: insert_attempts
-- What attempts came to; one that is told twice is the same.
INSERT OR REPLACE INTO attempts (update_id, config_id, number, started_at, duration_ms, http_status, error)
VALUES {rows};

-- name: new_in_range
-- Which of a batch's ids were really inserted; asked only when some were duplicates.
SELECT id FROM updates WHERE id BETWEEN ? AND ?;

-- name: repeats_last
-- Whether a new update without a time reports what the update before it of the same shipment reports: bytes 5 to 10 of
-- the key. Erased updates name no shipment: where no other is left, any of them counts, so that nothing erased returns.
SELECT 1 FROM updates AS u WHERE u.id = ? AND coalesce(
    (
        SELECT substr(e.key, 6, 6) = substr(u.key, 6, 6) FROM updates AS e WHERE e.id = (
            SELECT max(b.id) FROM updates AS b WHERE b.shipment = u.shipment AND b.account_id = u.account_id AND b.id < u.id
        )
    ),
    EXISTS (
        SELECT 1 FROM updates AS e
        WHERE e.shipment = '' AND e.account_id = u.account_id AND e.erased_at IS NOT NULL
            AND substr(e.key, 6, 6) = substr(u.key, 6, 6)
    )
);

-- name: delete_repeat
-- A new update that turned out to be a repeat.
DELETE FROM updates WHERE id = ?;

-- name: late_candidates
-- New updates that are older than one received before for the same shipment.
SELECT u.id FROM updates AS u
WHERE u.id BETWEEN ? AND ? AND u.occurred_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM updates AS e
    WHERE e.shipment = u.shipment AND e.account_id = u.account_id AND e.occurred_at > u.occurred_at AND e.id < u.id
)
ORDER BY u.id;

-- name: is_late_for_config
-- Whether that newer one went (or will go) to this PushConfig.
SELECT 1 FROM updates AS u
JOIN updates AS e ON e.shipment = u.shipment AND e.account_id = u.account_id
    AND e.occurred_at > u.occurred_at AND e.id < u.id
JOIN pushes AS p ON p.update_id = e.id AND p.config_id = ? AND p.state <> 3
WHERE u.id = ?
LIMIT 1;

-- name: expire
-- Give up the oldest pending pushes: ids grow with the time of receipt, so only the first few are looked at.
UPDATE pushes SET state = 2, due_at = 0, ended_at = ?, error = 'older than its maxAge while its endpoint was failing'
WHERE config_id = ? AND update_id IN (
    SELECT update_id FROM (
        SELECT p.update_id, coalesce(p.replayed_at, u.received_at) AS begun
        FROM pushes AS p JOIN updates AS u ON u.id = p.update_id
        WHERE p.state = 0 AND p.config_id = ? ORDER BY p.update_id LIMIT ?
    ) WHERE begun < ?
);
