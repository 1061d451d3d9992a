-- name: all
-- Pushes in the order received.
SELECT {columns} FROM pushes AS p CROSS JOIN updates AS u ON u.id = p.update_id
WHERE (p.update_id, p.config_id) > (?, ?) AND (p.update_id, p.config_id) < (?, ?)
    AND u.received_at >= ? AND u.received_at < ?
ORDER BY p.update_id {way}, p.config_id {way} LIMIT ?;

-- name: by_state
-- Pushes of a PushConfig in a state other than delivered. With BETWEEN, SQLite 3.54 seeks to one end of the ids only.
SELECT {columns} FROM pushes AS p INDEXED BY pushes_undelivered CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.state = ?1 AND p.state <> 1 AND p.config_id = ?2 AND p.update_id >= ?3 AND p.update_id <= ?4
    AND u.received_at >= ?5 AND u.received_at < ?6
ORDER BY p.update_id {way} LIMIT ?7;

-- name: delivered
-- Pushes of a PushConfig that were delivered, by terms.
SELECT {columns} FROM terms AS t CROSS JOIN pushes AS p ON p.update_id = t.update_id AND p.config_id = ?2 AND p.state = ?1
CROSS JOIN updates AS u ON u.id = t.update_id
WHERE t.term = term('config', ?2) AND t.at = 0 AND t.update_id BETWEEN ?3 AND min(?4, ?8)
    AND u.received_at >= ?5 AND u.received_at < ?6
ORDER BY t.update_id {way} LIMIT ?7;

-- name: delivered_recent
-- The same of updates beyond terms.
SELECT {columns} FROM pushes AS p CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.update_id BETWEEN max(?3, ?8 + 1) AND ?4 AND p.config_id = ?2 AND p.state = ?1
    AND u.received_at >= ?5 AND u.received_at < ?6
ORDER BY p.update_id {way} LIMIT ?7;

-- name: by_status
-- Pushes of updates with a status, by terms.
SELECT {columns} FROM terms AS t CROSS JOIN updates AS u ON u.id = t.update_id AND u.status = ?1
CROSS JOIN pushes AS p ON p.update_id = u.id
WHERE t.term = term('status', ?1) AND t.at = 0 AND t.update_id BETWEEN ?2 AND min(?4, ?9)
    AND (p.update_id, p.config_id) > (?2, ?3) AND (p.update_id, p.config_id) < (?4, ?5)
    AND u.received_at >= ?6 AND u.received_at < ?7
ORDER BY t.update_id {way}, p.config_id {way} LIMIT ?8;

-- name: by_status_recent
-- The same of updates beyond terms.
SELECT {columns} FROM updates AS u CROSS JOIN pushes AS p ON p.update_id = u.id
WHERE u.id BETWEEN max(?2, ?9 + 1) AND ?4 AND u.status = ?1
    AND (p.update_id, p.config_id) > (?2, ?3) AND (p.update_id, p.config_id) < (?4, ?5)
    AND u.received_at >= ?6 AND u.received_at < ?7
ORDER BY u.id {way}, p.config_id {way} LIMIT ?8;

-- name: by_awb
-- Pushes of AWBs (a JSON array), also as the AWB of a forward leg, by terms. Few: a shipment has tens.
SELECT {columns} FROM json_each(?1) AS j CROSS JOIN terms AS t ON t.term = term('name', j.value)
CROSS JOIN updates AS u ON u.id = t.update_id AND (u.awb = j.value OR u.forward_awb = j.value)
CROSS JOIN pushes AS p ON p.update_id = u.id
WHERE t.update_id BETWEEN ?2 AND min(?4, ?9)
    AND (p.update_id, p.config_id) > (?2, ?3) AND (p.update_id, p.config_id) < (?4, ?5)
    AND u.received_at >= ?6 AND u.received_at < ?7
GROUP BY p.update_id, p.config_id
ORDER BY p.update_id {way}, p.config_id {way} LIMIT ?8;

-- name: by_awb_recent
-- The same of updates beyond terms.
SELECT {columns} FROM updates AS u CROSS JOIN pushes AS p ON p.update_id = u.id
WHERE u.id BETWEEN max(?2, ?9 + 1) AND ?4
    AND (u.awb IN (SELECT value FROM json_each(?1)) OR u.forward_awb IN (SELECT value FROM json_each(?1)))
    AND (p.update_id, p.config_id) > (?2, ?3) AND (p.update_id, p.config_id) < (?4, ?5)
    AND u.received_at >= ?6 AND u.received_at < ?7
ORDER BY u.id {way}, p.config_id {way} LIMIT ?8;

-- name: by_order
-- Pushes of an order, by terms.
SELECT {columns} FROM terms AS t CROSS JOIN updates AS u ON u.id = t.update_id AND u.order_id = ?1
CROSS JOIN pushes AS p ON p.update_id = u.id
WHERE t.term = term('order', ?1) AND t.at = 0 AND t.update_id BETWEEN ?2 AND min(?4, ?9)
    AND (p.update_id, p.config_id) > (?2, ?3) AND (p.update_id, p.config_id) < (?4, ?5)
    AND u.received_at >= ?6 AND u.received_at < ?7
ORDER BY t.update_id {way}, p.config_id {way} LIMIT ?8;

-- name: by_order_recent
-- The same of updates beyond terms.
SELECT {columns} FROM updates AS u CROSS JOIN pushes AS p ON p.update_id = u.id
WHERE u.id BETWEEN max(?2, ?9 + 1) AND ?4 AND u.order_id = ?1
    AND (p.update_id, p.config_id) > (?2, ?3) AND (p.update_id, p.config_id) < (?4, ?5)
    AND u.received_at >= ?6 AND u.received_at < ?7
ORDER BY u.id {way}, p.config_id {way} LIMIT ?8;

-- name: timeline
-- Updates of a shipment, by its name, its AWB or the AWB of a forward leg, in the order received.
SELECT u.id, u.key, u.account_id, u.received_at, u.occurred_at, u.shipment, u.awb, u.forward_awb, u.order_id, u.status,
    u.erased_at, u.notification
FROM (
    SELECT update_id AS id FROM terms WHERE term = term('name', ?1) AND update_id <= (SELECT up_to FROM indexed)
    UNION
    SELECT id FROM updates AS r WHERE r.id > (SELECT up_to FROM indexed)
        AND (r.shipment = ?1 OR r.awb = ?1 OR r.forward_awb = ?1)
) AS f CROSS JOIN updates AS u ON u.id = f.id
WHERE u.id > ?2 AND (u.shipment = ?1 OR u.awb = ?1 OR u.forward_awb = ?1) ORDER BY u.id LIMIT ?3;

-- name: pushes_of
-- All pushes of one update.
SELECT {columns} FROM pushes AS p CROSS JOIN updates AS u ON u.id = p.update_id WHERE p.update_id = ?
ORDER BY p.config_id;

-- name: by_key
-- The same by the update's key, with its payloads.
SELECT {columns}, u.notification, u.body
FROM (
    SELECT t.update_id AS id FROM terms AS t CROSS JOIN updates AS i ON i.id = t.update_id AND i.key = ?1
    WHERE t.term = term('key', ?1) AND t.update_id <= (SELECT up_to FROM indexed)
    UNION ALL SELECT r.id FROM updates AS r WHERE r.id > (SELECT up_to FROM indexed) AND r.key = ?1
) AS f CROSS JOIN updates AS u ON u.id = f.id CROSS JOIN pushes AS p ON p.update_id = f.id ORDER BY p.config_id;

-- name: attempts
-- All attempts of one push.
SELECT number, started_at, duration_ms, http_status, error FROM attempts
WHERE update_id = ? AND config_id = ? ORDER BY number;

-- name: latest_attempts
-- The latest of them.
SELECT number, started_at, duration_ms, http_status, error FROM attempts
WHERE update_id = ? AND config_id = ? ORDER BY number DESC LIMIT ?;

-- name: count
-- How many pushes of a PushConfig are in a state other than delivered, up to a bound.
SELECT count(*) FROM (
    SELECT 1 FROM pushes INDEXED BY pushes_undelivered WHERE state = ? AND state <> 1 AND config_id = ? LIMIT ?
);

-- name: audits
-- The audit log, newest first.
SELECT id, at, actor, role, action, target, address FROM audits WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: push_configs
-- PushConfigs that have or had a push, by name: one step of terms each.
SELECT id, name FROM names WHERE EXISTS (
    SELECT 1 FROM terms AS t WHERE t.term = term('config', names.id) AND t.at = 0
) OR id IN (SELECT config_id FROM pushes WHERE update_id > (SELECT up_to FROM indexed)) ORDER BY name;

-- name: from_id
-- A step of the bisection by time of receipt; ids have gaps.
SELECT id, received_at FROM updates WHERE id >= ? ORDER BY id LIMIT 1;

-- name: lane_of
-- What names the lane of a push.
SELECT p.config_id, u.account_id, u.shipment FROM pushes AS p CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.update_id = ? AND p.config_id = ? AND p.state = 0;

-- name: lane_head
-- The earliest pending push of a lane, of the updates in terms; of the first so many entries of its shipment.
SELECT u.id, u.key FROM (
    SELECT update_id AS id FROM terms WHERE term = term('name', ?3) AND update_id <= (SELECT up_to FROM indexed) LIMIT ?4
) AS f CROSS JOIN updates AS u ON u.id = f.id AND u.shipment = ?3 AND u.account_id = ?2
CROSS JOIN pushes AS p ON p.update_id = u.id AND p.config_id = ?1 AND p.state = 0
ORDER BY u.id LIMIT 1;

-- name: lane_pushes_recent
-- Pending pushes of some shipments, of the updates beyond terms: one scan for all lanes.
SELECT u.id, u.key, p.config_id, u.account_id, u.shipment FROM updates AS u CROSS JOIN pushes AS p ON p.update_id = u.id
WHERE u.id > (SELECT up_to FROM indexed) AND u.shipment IN (SELECT value FROM json_each(?)) AND p.state = 0
ORDER BY u.id;
