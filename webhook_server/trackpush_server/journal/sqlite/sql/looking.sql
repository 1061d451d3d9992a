-- name: all
-- Pushes in the order received.
SELECT {columns} FROM pushes AS p CROSS JOIN updates AS u ON u.id = p.update_id
WHERE (p.update_id, p.config_id) > (?, ?) AND (p.update_id, p.config_id) < (?, ?)
    AND u.received_at >= ? AND u.received_at < ?
ORDER BY p.update_id {way}, p.config_id {way} LIMIT ?;

-- name: by_state
-- Pushes of a PushConfig in a state. With BETWEEN, SQLite 3.54 seeks to one end of the ids only.
SELECT {columns} FROM pushes AS p INDEXED BY pushes_by_state CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.state = ? AND p.config_id = ? AND p.update_id >= ? AND p.update_id <= ? AND u.received_at >= ? AND u.received_at < ?
ORDER BY p.update_id {way} LIMIT ?;

-- name: by_status
-- Pushes of updates with a status.
SELECT {columns} FROM updates AS u INDEXED BY updates_by_status CROSS JOIN pushes AS p ON p.update_id = u.id
WHERE u.status = ? AND u.id BETWEEN ? AND ?
    AND (p.update_id, p.config_id) > (?, ?) AND (p.update_id, p.config_id) < (?, ?)
    AND u.received_at >= ? AND u.received_at < ?
ORDER BY u.id {way}, p.config_id {way} LIMIT ?;

-- name: by_awb
-- Pushes of an AWB, also as the AWB of a forward leg.
SELECT {columns} FROM (
    SELECT id FROM updates WHERE shipment = ?1 AND awb = ?1
    UNION SELECT id FROM updates WHERE awb = ?1 AND awb <> shipment
    UNION SELECT id FROM updates WHERE forward_awb = ?1
) AS f CROSS JOIN updates AS u ON u.id = f.id CROSS JOIN pushes AS p ON p.update_id = f.id
WHERE (p.update_id, p.config_id) > (?, ?) AND (p.update_id, p.config_id) < (?, ?)
    AND u.received_at >= ? AND u.received_at < ?
ORDER BY p.update_id {way}, p.config_id {way} LIMIT ?;

-- name: by_order
-- Pushes of an order.
SELECT {columns} FROM updates AS u INDEXED BY updates_by_order CROSS JOIN pushes AS p ON p.update_id = u.id
WHERE u.order_id = ? AND u.id BETWEEN ? AND ?
    AND (p.update_id, p.config_id) > (?, ?) AND (p.update_id, p.config_id) < (?, ?)
    AND u.received_at >= ? AND u.received_at < ?
ORDER BY u.id {way}, p.config_id {way} LIMIT ?;

-- name: timeline
-- Updates of a shipment, by its name, its AWB or the AWB of a forward leg, in the order received.
SELECT u.id, u.key, u.account_id, u.received_at, u.occurred_at, u.shipment, u.awb, u.forward_awb, u.order_id, u.status,
    u.erased_at, u.notification
FROM (
    SELECT id FROM updates WHERE shipment = ?1
    UNION SELECT id FROM updates WHERE awb = ?1 AND awb <> shipment
    UNION SELECT id FROM updates WHERE forward_awb = ?1
) AS f CROSS JOIN updates AS u ON u.id = f.id
WHERE u.id > ?2 ORDER BY u.id LIMIT ?3;

-- name: pushes_of
-- All pushes of one update.
SELECT {columns} FROM pushes AS p CROSS JOIN updates AS u ON u.id = p.update_id WHERE p.update_id = ?
ORDER BY p.config_id;

-- name: by_key
-- The same by the update's key, with its payloads.
SELECT {columns}, u.notification, u.body FROM updates AS u JOIN pushes AS p ON p.update_id = u.id
WHERE u.key = ? ORDER BY p.config_id;

-- name: attempts
-- All attempts of one push.
SELECT number, started_at, duration_ms, http_status, error FROM attempts
WHERE update_id = ? AND config_id = ? ORDER BY number;

-- name: latest_attempts
-- The latest of them.
SELECT number, started_at, duration_ms, http_status, error FROM attempts
WHERE update_id = ? AND config_id = ? ORDER BY number DESC LIMIT ?;

-- name: count
-- How many pushes of a PushConfig are in a state, up to a bound.
SELECT count(*) FROM (
    SELECT 1 FROM pushes INDEXED BY pushes_by_state WHERE state = ? AND config_id = ? LIMIT ?
);

-- name: audits
-- The audit log, newest first.
SELECT id, at, actor, role, action, target, address FROM audits WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: push_configs
-- PushConfigs that have or had a push, by name: one step of the index each.
SELECT id, name FROM names WHERE EXISTS (
    SELECT 1 FROM pushes INDEXED BY pushes_by_state WHERE state IN (0, 1, 2, 3) AND config_id = names.id
) ORDER BY name;

-- name: from_id
-- A step of the bisection by time of receipt; ids have gaps.
SELECT id, received_at FROM updates WHERE id >= ? ORDER BY id LIMIT 1;
