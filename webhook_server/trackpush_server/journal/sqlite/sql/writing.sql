-- name: new_name
-- A name of an account or a PushConfig gets a number.
INSERT INTO names (name) VALUES (?);

-- name: arrived
-- When an account's last update arrived. A time after now is from a clock that was wrong.
INSERT INTO last_updates (account_id, at) VALUES (:account, :at)
ON CONFLICT (account_id) DO UPDATE SET
    at = CASE WHEN at IS NULL OR at > :now THEN excluded.at ELSE max(at, excluded.at) END;

-- name: insert_updates
-- New updates. That their keys are new is known before: no index has them.
INSERT INTO updates (id, key, account_id, received_at, occurred_at, shipment, awb, forward_awb, order_id, status,
    notification, body, trace)
VALUES {rows};

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
-- Outcomes of attempts; recording one twice changes nothing.
INSERT OR REPLACE INTO attempts (update_id, config_id, number, started_at, duration_ms, http_status, error)
VALUES {rows};

-- name: repeats_last
-- Whether a new update without a time reports what the update before it of the same shipment reports: bytes 5 to 10 of
-- the key. Erased updates name no shipment: where no other is left, any of them counts, so that nothing erased returns.
WITH n AS MATERIALIZED (
    SELECT u.id, u.key, u.shipment, u.account_id, term('name', u.shipment) AS name,
        term('erased', u.account_id || hex(substr(u.key, 6, 6))) AS erased
    FROM updates AS u WHERE u.id = ?
), f AS (
    SELECT value AS update_id FROM n CROSS JOIN json_each(recent(n.name)) WHERE value < n.id
    UNION ALL SELECT t.update_id FROM n CROSS JOIN terms AS t ON t.term = n.name AND t.update_id < n.id
), g AS (
    SELECT value AS update_id FROM n CROSS JOIN json_each(recent(n.erased))
    UNION ALL SELECT t.update_id FROM n CROSS JOIN terms AS t ON t.term = n.erased
)
SELECT 1 FROM n WHERE coalesce(
    (
        SELECT substr(e.key, 6, 6) = substr(n.key, 6, 6) FROM f
        CROSS JOIN updates AS e ON e.id = f.update_id AND e.shipment = n.shipment AND e.account_id = n.account_id
        ORDER BY e.id DESC LIMIT 1
    ),
    EXISTS (
        SELECT 1 FROM g
        CROSS JOIN updates AS e ON e.id = g.update_id AND e.erased_at IS NOT NULL AND e.account_id = n.account_id
            AND substr(e.key, 6, 6) = substr(n.key, 6, 6)
    )
);

-- name: delete_repeat
-- A new update that turned out to be a repeat.
DELETE FROM updates WHERE id = ?;

-- name: is_late_for_config
-- Whether a newer one of its shipment went (or will go) to this PushConfig, of the updates in terms.
WITH n AS MATERIALIZED (
    SELECT u.id, u.account_id, u.shipment, u.occurred_at, term('name', u.shipment) AS term FROM updates AS u WHERE u.id = ?2
)
SELECT 1 FROM n CROSS JOIN terms AS t ON t.term = n.term AND t.at > n.occurred_at
CROSS JOIN updates AS e ON e.id = t.update_id AND e.id < n.id AND e.shipment = n.shipment AND e.account_id = n.account_id
    AND e.occurred_at > n.occurred_at
CROSS JOIN pushes AS p ON p.update_id = e.id AND p.config_id = ?1 AND p.state <> 3
LIMIT 1;

-- name: is_late_among
-- The same of updates whose ids are known.
SELECT 1 FROM json_each(?3) CROSS JOIN updates AS n ON n.id = ?2
CROSS JOIN updates AS e ON e.id = json_each.value AND e.id < n.id AND e.shipment = n.shipment AND e.account_id = n.account_id
    AND e.occurred_at > n.occurred_at
CROSS JOIN pushes AS p ON p.update_id = e.id AND p.config_id = ?1 AND p.state <> 3
LIMIT 1;

-- name: drop
-- Pending pushes end by hand, the oldest first.
UPDATE pushes SET state = 3, due_at = 0, ended_at = ?, error = ?
WHERE config_id = ? AND update_id IN (
    SELECT p.update_id FROM pushes AS p WHERE p.state = 0 AND p.state <> 1 AND p.config_id = ? ORDER BY p.update_id LIMIT ?
);

-- name: expire
-- Give up the oldest pending pushes (in the order of their index, which names its condition): ids grow with the time of receipt, so only the first few are looked at.
UPDATE pushes SET state = 2, due_at = 0, ended_at = ?, error = 'older than its maxAge while its endpoint was failing'
WHERE config_id = ? AND update_id IN (
    SELECT update_id FROM (
        SELECT p.update_id, coalesce(p.replayed_at, u.received_at) AS begun
        FROM pushes AS p JOIN updates AS u ON u.id = p.update_id
        WHERE p.state = 0 AND p.state <> 1 AND p.config_id = ? ORDER BY p.update_id LIMIT ?
    ) WHERE begun < ?
);
