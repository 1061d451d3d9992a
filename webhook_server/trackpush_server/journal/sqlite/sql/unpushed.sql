-- name: next
-- A stretch of all updates, with whether they are wanted: what a filter left out is not indexed, and is rarely asked for.
SELECT u.id, u.account_id IN (SELECT value FROM json_each(:accounts)) AND u.erased_at IS NULL
    AND u.received_at >= :since AND u.received_at < :until
    AND NOT EXISTS (SELECT 1 FROM pushes AS p WHERE p.update_id = u.id AND p.config_id = :config)
FROM updates AS u WHERE u.id > :after AND u.id < :end ORDER BY u.id LIMIT :limit;

-- name: by_awb
-- Updates of an AWB, also as the AWB of a forward leg. Few: a shipment has tens.
SELECT u.id FROM (
    SELECT update_id AS id FROM terms WHERE term = term('name', :awb) AND update_id <= (SELECT up_to FROM indexed)
    UNION SELECT r.id FROM updates AS r WHERE r.id > (SELECT up_to FROM indexed) AND (r.awb = :awb OR r.forward_awb = :awb)
) AS f CROSS JOIN updates AS u ON u.id = f.id AND (u.awb = :awb OR u.forward_awb = :awb)
WHERE u.id > :after AND u.account_id IN (SELECT value FROM json_each(:accounts)) AND u.erased_at IS NULL
    AND u.received_at >= :since AND u.received_at < :until
    AND NOT EXISTS (SELECT 1 FROM pushes AS p WHERE p.update_id = u.id AND p.config_id = :config)
ORDER BY u.id;

-- name: read
-- Updates with their payloads.
SELECT u.id, n.name, u.received_at, u.key, u.notification, u.body
FROM updates AS u CROSS JOIN names AS n ON n.id = u.account_id
WHERE u.id IN (SELECT value FROM json_each(?)) AND u.erased_at IS NULL ORDER BY u.id;

-- name: add
-- Pending pushes that count as replayed once. Late is one that is sent after a newer one of its shipment was delivered there.
INSERT INTO pushes (update_id, config_id, state, late, replays, replayed_at)
SELECT u.id, :config, 0, EXISTS (
    SELECT 1 FROM json_each(recent(term('name', u.shipment)))
    CROSS JOIN updates AS e ON e.id = json_each.value AND e.shipment = u.shipment AND e.account_id = u.account_id
        AND e.occurred_at > u.occurred_at
    CROSS JOIN pushes AS d ON d.update_id = e.id AND d.config_id = :config AND d.state = 1
) OR EXISTS (
    SELECT 1 FROM terms AS t
    CROSS JOIN updates AS e ON e.id = t.update_id AND e.shipment = u.shipment AND e.account_id = u.account_id
        AND e.occurred_at > u.occurred_at
    CROSS JOIN pushes AS d ON d.update_id = e.id AND d.config_id = :config AND d.state = 1
    WHERE t.term = term('name', u.shipment) AND t.at > u.occurred_at
), 1, :now
FROM updates AS u WHERE u.id IN (SELECT value FROM json_each(:ids)) AND u.erased_at IS NULL
ON CONFLICT (update_id, config_id) DO NOTHING;

-- name: index
-- Their entries, at once: the updates may be in terms already, and are merged there no more.
INSERT OR IGNORE INTO terms (term, at, update_id)
SELECT term('config', p.config_id), 0, p.update_id FROM pushes AS p
WHERE p.config_id = :config AND p.update_id IN (SELECT value FROM json_each(:ids));
