-- name: by_state
-- A PushConfig's dead or dropped pushes, oldest first.
SELECT p.update_id, p.state, u.received_at, p.ended_at, p.error
FROM pushes AS p INDEXED BY pushes_undelivered CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.state = :state AND p.state <> 1 AND p.config_id = :config
    AND p.update_id > :after AND p.state <> 0 AND u.erased_at IS NULL
    AND (p.replayed_at IS NULL OR p.replayed_at < :replayed_before)
    AND u.received_at >= :since AND u.received_at < :until
ORDER BY p.update_id LIMIT :limit;

-- name: delivered
-- Its delivered ones, oldest first, by terms.
SELECT p.update_id, p.state, u.received_at, p.ended_at, p.error
FROM terms AS t CROSS JOIN pushes AS p ON p.update_id = t.update_id AND p.config_id = :config AND p.state = :state
CROSS JOIN updates AS u ON u.id = t.update_id
WHERE t.term = term('config', :config) AND t.at = 0 AND t.update_id > :after AND t.update_id <= :up_to
    AND p.update_id > :after AND p.state <> 0 AND u.erased_at IS NULL
    AND (p.replayed_at IS NULL OR p.replayed_at < :replayed_before)
    AND u.received_at >= :since AND u.received_at < :until
ORDER BY t.update_id LIMIT :limit;

-- name: delivered_recent
-- The same of updates beyond terms.
SELECT p.update_id, p.state, u.received_at, p.ended_at, p.error FROM pushes AS p CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.update_id > max(:after, :up_to) AND p.config_id = :config AND p.state = :state
    AND p.update_id > :after AND p.state <> 0 AND u.erased_at IS NULL
    AND (p.replayed_at IS NULL OR p.replayed_at < :replayed_before)
    AND u.received_at >= :since AND u.received_at < :until
ORDER BY p.update_id LIMIT :limit;

-- name: by_awb
-- A PushConfig's ended pushes of an AWB, also as the AWB of a forward leg. Few: a shipment has tens.
SELECT p.update_id, p.state, u.received_at, p.ended_at, p.error FROM (
    SELECT update_id AS id FROM terms WHERE term = term('name', :awb) AND update_id <= :up_to
    UNION SELECT r.id FROM updates AS r WHERE r.id > :up_to AND (r.awb = :awb OR r.forward_awb = :awb)
) AS f CROSS JOIN updates AS u ON u.id = f.id AND (u.awb = :awb OR u.forward_awb = :awb)
CROSS JOIN pushes AS p ON p.update_id = f.id AND p.config_id = :config
WHERE TRUE
    AND p.update_id > :after AND p.state <> 0 AND u.erased_at IS NULL
    AND (p.replayed_at IS NULL OR p.replayed_at < :replayed_before)
    AND u.received_at >= :since AND u.received_at < :until
ORDER BY p.update_id;

-- name: by_key
-- A PushConfig's ended push of one update.
SELECT p.update_id, p.state, u.received_at, p.ended_at, p.error FROM (
    SELECT update_id AS id FROM terms WHERE term = term('key', :key) AND update_id <= :up_to
    UNION SELECT r.id FROM updates AS r WHERE r.id > :up_to AND r.key = :key
) AS f CROSS JOIN updates AS u ON u.id = f.id AND u.key = :key
CROSS JOIN pushes AS p ON p.update_id = u.id AND p.config_id = :config
WHERE TRUE
    AND p.update_id > :after AND p.state <> 0 AND u.erased_at IS NULL
    AND (p.replayed_at IS NULL OR p.replayed_at < :replayed_before)
    AND u.received_at >= :since AND u.received_at < :until;

-- name: push_configs
-- Every PushConfig that has or had a push: one step of terms each.
SELECT name FROM names WHERE EXISTS (
    SELECT 1 FROM terms AS t WHERE t.term = term('config', names.id) AND t.at = 0
) OR id IN (SELECT config_id FROM pushes WHERE update_id > (SELECT up_to FROM indexed)) ORDER BY name;

-- name: replay
-- Late is one that is sent after a newer one of its shipment was delivered there.
UPDATE pushes SET
    state = 0, rejections = 0, due_at = 0, ended_at = NULL, error = NULL,
    replays = replays + 1, replayed_at = :now, tries_before = tries,
    late = late OR EXISTS (
        SELECT 1 FROM updates AS u
        CROSS JOIN json_each(recent(term('name', u.shipment)))
        CROSS JOIN updates AS e ON e.id = json_each.value AND e.shipment = u.shipment AND e.account_id = u.account_id
            AND e.occurred_at > u.occurred_at
        CROSS JOIN pushes AS d ON d.update_id = e.id AND d.config_id = pushes.config_id AND d.state = 1
        WHERE u.id = pushes.update_id
    ) OR EXISTS (
        SELECT 1 FROM updates AS u
        CROSS JOIN terms AS t ON t.term = term('name', u.shipment) AND t.at > u.occurred_at
        CROSS JOIN updates AS e ON e.id = t.update_id AND e.shipment = u.shipment AND e.account_id = u.account_id
            AND e.occurred_at > u.occurred_at
        CROSS JOIN pushes AS d ON d.update_id = e.id AND d.config_id = pushes.config_id AND d.state = 1
        WHERE u.id = pushes.update_id
    )
WHERE config_id = :config AND state <> 0 AND update_id IN (SELECT value FROM json_each(:ids))
    AND (replayed_at IS NULL OR replayed_at < :replayed_before)
    AND (SELECT erased_at FROM updates WHERE id = pushes.update_id) IS NULL;
