-- name: names
-- Names of accounts and PushConfigs by number.
SELECT id, name FROM names;

-- name: number_of
-- The number of a name.
SELECT id FROM names WHERE name = ?;

-- name: last_id
-- The highest id; 0 in an empty journal.
SELECT coalesce(max(id), 0) FROM updates;

-- name: pending
-- The next page of a PushConfig's pending pushes.
SELECT p.update_id, u.key, a.name, u.shipment, u.received_at, p.late, p.tries, p.rejections, p.due_at,
       u.notification, u.body, p.replays, coalesce(p.replayed_at, 0), p.tries_before, u.trace
FROM pushes AS p
JOIN updates AS u ON u.id = p.update_id
JOIN names AS a ON a.id = u.account_id
WHERE p.state = 0 AND p.state <> 1 AND p.config_id = (SELECT id FROM names WHERE name = ?) AND p.update_id > ?
ORDER BY p.update_id
LIMIT ?;

-- name: fetch
-- Given pushes of a PushConfig, those that are still pending.
SELECT p.update_id, u.key, a.name, u.shipment, u.received_at, p.late, p.tries, p.rejections, p.due_at,
       u.notification, u.body, p.replays, coalesce(p.replayed_at, 0), p.tries_before, u.trace
FROM pushes AS p
JOIN updates AS u ON u.id = p.update_id
JOIN names AS a ON a.id = u.account_id
WHERE p.state = 0 AND p.state <> 1 AND p.config_id = (SELECT id FROM names WHERE name = ?)
  AND p.update_id IN (SELECT value FROM json_each(?));

-- name: pending_configs
-- The PushConfigs that have anything pending: from one to the next along the index, whatever the number of pushes between.
WITH RECURSIVE waiting (config_id) AS (
    SELECT min(p.config_id) FROM pushes AS p WHERE p.state = 0 AND p.state <> 1
    UNION ALL
    SELECT (SELECT min(p.config_id) FROM pushes AS p WHERE p.state = 0 AND p.state <> 1 AND p.config_id > w.config_id)
    FROM waiting AS w WHERE w.config_id IS NOT NULL
)
SELECT n.name FROM waiting AS w JOIN names AS n ON n.id = w.config_id;

-- name: pending_counts
-- The backlog per PushConfig, from the partial index alone.
SELECT config_id, count(*) FROM pushes WHERE state = 0 AND state <> 1 GROUP BY config_id;

-- name: oldest_pending
-- When a PushConfig's oldest pending push was received.
SELECT u.received_at FROM pushes AS p JOIN updates AS u ON u.id = p.update_id
WHERE p.state = 0 AND p.state <> 1 AND p.config_id = ? ORDER BY p.update_id LIMIT 1;

-- name: unannounced
-- Updates of a commit that failed, but whose rows are there.
SELECT u.id, u.key, a.name, u.received_at, u.occurred_at, u.shipment, u.awb, u.forward_awb, u.order_id, u.status,
       u.notification, u.body, u.trace
FROM updates AS u JOIN names AS a ON a.id = u.account_id
WHERE u.id BETWEEN ? AND ? ORDER BY u.id;

-- name: pushes_of
-- Pushes of one of those, with the names of their PushConfigs.
SELECT c.name, p.late, p.state FROM pushes AS p JOIN names AS c ON c.id = p.config_id
WHERE p.update_id = ? ORDER BY p.config_id;
