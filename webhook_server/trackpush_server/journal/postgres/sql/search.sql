-- name: names
-- Names of accounts and PushConfigs by number.
SELECT true AS account, id, name FROM trackpush.accounts UNION ALL SELECT false, id, name FROM trackpush.push_configs;

-- name: last_id
-- The highest id.
SELECT last_id FROM trackpush.counter;

-- name: from_id
-- A step of the bisection by time of receipt; ids have gaps.
SELECT id, received_at FROM trackpush.updates WHERE id >= $1 ORDER BY id LIMIT 1;

-- name: receipt
-- Pushes in the order received.
SELECT {columns} FROM trackpush.pushes AS p JOIN trackpush.updates AS u ON u.id = p.update_id
WHERE p.update_id BETWEEN $1 AND $3 AND (p.update_id, p.config_id) > ($1, $2) AND (p.update_id, p.config_id) < ($3, $4)
    AND u.received_at >= $5 AND u.received_at < $6
ORDER BY p.update_id {way}, p.config_id {way} LIMIT $7;

-- name: awb
-- Pushes of AWBs, also as the AWB of a forward leg. The arrays are computed once, so that the indexes of the hashes are used.
SELECT {columns} FROM trackpush.pushes AS p JOIN trackpush.updates AS u ON u.id = p.update_id
WHERE p.update_id IN (
    SELECT id FROM trackpush.updates
    WHERE hashtextextended(shipment, 0) = ANY (ARRAY(SELECT hashtextextended(w, 0) FROM unnest($8::text[]) AS w))
        AND shipment = ANY ($8::text[]) AND awb = shipment
    UNION SELECT id FROM trackpush.updates
    WHERE hashtextextended(awb, 0) = ANY (ARRAY(SELECT hashtextextended(w, 0) FROM unnest($8::text[]) AS w))
        AND awb = ANY ($8::text[]) AND awb <> shipment
    UNION SELECT id FROM trackpush.updates
    WHERE hashtextextended(forward_awb, 0) = ANY (ARRAY(SELECT hashtextextended(w, 0) FROM unnest($8::text[]) AS w))
        AND forward_awb = ANY ($8::text[])
)
    AND p.update_id BETWEEN $1 AND $3 AND (p.update_id, p.config_id) > ($1, $2) AND (p.update_id, p.config_id) < ($3, $4)
    AND u.received_at >= $5 AND u.received_at < $6
ORDER BY p.update_id {way}, p.config_id {way} LIMIT $7;

-- name: order
-- Pushes of an order.
SELECT {columns} FROM trackpush.pushes AS p JOIN trackpush.updates AS u ON u.id = p.update_id
WHERE p.update_id IN (
    SELECT id FROM trackpush.updates WHERE hashtextextended(order_id, 0) = hashtextextended($8, 0) AND order_id = $8
)
    AND p.update_id BETWEEN $1 AND $3 AND (p.update_id, p.config_id) > ($1, $2) AND (p.update_id, p.config_id) < ($3, $4)
    AND u.received_at >= $5 AND u.received_at < $6
ORDER BY p.update_id {way}, p.config_id {way} LIMIT $7;

-- name: delivered
-- Pushes of one PushConfig that were delivered: nearly all of its index. Compared and sorted as that index is, so that no other will do,
-- and each update after its push (OFFSET 0): whatever is known of the tables, this reads nothing of another PushConfig.
SELECT {columns}
FROM trackpush.pushes AS p
CROSS JOIN LATERAL (
    SELECT * FROM trackpush.updates AS u WHERE u.id = p.update_id AND u.received_at >= $5 AND u.received_at < $6 OFFSET 0
) AS u
WHERE p.state = $1 AND (p.config_id, p.update_id) >= ($2, $3) AND (p.config_id, p.update_id) <= ($2, $4)
ORDER BY p.config_id {way}, p.update_id {way} LIMIT $7;

-- name: undelivered
-- Pushes of one PushConfig in another state.
SELECT {columns} FROM trackpush.undelivered AS w
JOIN trackpush.pushes AS p ON p.update_id = w.update_id AND p.config_id = w.config_id
JOIN trackpush.updates AS u ON u.id = w.update_id
WHERE w.state = $1 AND w.config_id = $2 AND w.update_id BETWEEN $3 AND $4 AND u.received_at >= $5 AND u.received_at < $6
ORDER BY w.update_id {way} LIMIT $7;

-- name: by_key
-- All pushes of one update, with its payloads.
SELECT {columns}, u.notification, u.body
FROM trackpush.keys AS k
JOIN trackpush.updates AS u ON u.id = k.update_id
JOIN trackpush.pushes AS p ON p.update_id = k.update_id
WHERE k.key = $1 ORDER BY p.config_id;

-- name: timeline
-- Updates of a shipment, in order.
SELECT id, account_id, key, received_at, occurred_at, shipment, awb, forward_awb, order_id, status, erased_at, notification
FROM trackpush.updates
WHERE id IN (
    SELECT id FROM trackpush.updates WHERE hashtextextended(shipment, 0) = hashtextextended($1, 0) AND shipment = $1
    UNION SELECT id FROM trackpush.updates WHERE hashtextextended(awb, 0) = hashtextextended($1, 0) AND awb = $1 AND awb <> shipment
    UNION SELECT id FROM trackpush.updates WHERE hashtextextended(forward_awb, 0) = hashtextextended($1, 0) AND forward_awb = $1
) AND id > $2
ORDER BY id LIMIT $3;

-- name: pushes_of
-- All pushes of some updates.
SELECT {columns} FROM trackpush.pushes AS p JOIN trackpush.updates AS u ON u.id = p.update_id
WHERE p.update_id = ANY ($1::bigint[]) ORDER BY p.update_id, p.config_id;

-- name: attempts
-- The latest attempts of one push, newest first: the last is in the push's own row.
SELECT number, started_at, duration_ms, http_status, error FROM (
    SELECT p.tries AS number, p.started_at, p.duration_ms, p.http_status, p.error FROM trackpush.pushes AS p
    WHERE p.update_id = $1 AND p.config_id = $2 AND p.started_at IS NOT NULL
    UNION ALL
    SELECT a.number, a.started_at, a.duration_ms, a.http_status, a.error FROM trackpush.attempts AS a
    WHERE a.update_id = $1 AND a.config_id = $2
) AS a ORDER BY number DESC LIMIT $3;

-- name: counts
-- What waits and what is dead, of every PushConfig, as far as one counts; and when the oldest that waits was received.
SELECT c.name, w.pending, d.dead, (SELECT u.received_at FROM trackpush.updates AS u WHERE u.id = o.update_id) AS oldest_received_at
FROM trackpush.push_configs AS c
CROSS JOIN LATERAL (
    SELECT count(*) AS pending FROM (
        SELECT FROM trackpush.undelivered AS w WHERE w.state = 0 AND w.config_id = c.id LIMIT $1
    ) AS w
) AS w
CROSS JOIN LATERAL (
    SELECT count(*) AS dead FROM (
        SELECT FROM trackpush.undelivered AS w WHERE w.state = 2 AND w.config_id = c.id LIMIT $1
    ) AS w
) AS d
LEFT JOIN LATERAL (
    SELECT w.update_id FROM trackpush.undelivered AS w WHERE w.state = 0 AND w.config_id = c.id ORDER BY w.update_id LIMIT 1
) AS o ON true
WHERE (  -- by this index only: by that of the updates it would be all pushes of others until the first of its own
    SELECT true FROM trackpush.pushes AS p
    WHERE (p.config_id, p.update_id) >= (c.id, 0) AND (p.config_id, p.update_id) <= (c.id, 9223372036854775807) LIMIT 1
)
ORDER BY c.name;

-- name: audits
-- The audit log, newest first.
SELECT id, at, actor, role, action, target, address FROM trackpush.audits WHERE id < $1 ORDER BY id DESC LIMIT $2;

-- name: lane_heads
-- The earliest pending push of the lanes of some pushes, given by the ids of their updates and PushConfigs.
SELECT a.update_id, a.config_id, h.id AS head_id, h.key
FROM unnest($1::bigint[], $2::integer[]) AS a (update_id, config_id)
JOIN trackpush.updates AS u ON u.id = a.update_id
JOIN trackpush.pushes AS p ON p.update_id = a.update_id AND p.config_id = a.config_id AND p.state = 0
CROSS JOIN LATERAL (
    SELECT e.id, e.key FROM trackpush.updates AS e
    JOIN trackpush.pushes AS q ON q.update_id = e.id AND q.config_id = a.config_id AND q.state = 0
    WHERE hashtextextended(e.shipment, 0) = hashtextextended(u.shipment, 0) AND e.shipment = u.shipment
        AND e.account_id = u.account_id
    ORDER BY e.id LIMIT 1
) AS h;
