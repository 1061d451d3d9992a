-- name: by_state
-- A PushConfig's ended pushes in one state, oldest first.
SELECT p.update_id, p.state, u.received_at
FROM pushes AS p INDEXED BY pushes_by_state CROSS JOIN updates AS u ON u.id = p.update_id
WHERE p.state = :state AND p.config_id = :config
    AND p.update_id > :after AND p.state <> 0 AND u.erased_at IS NULL
    AND (p.replayed_at IS NULL OR p.replayed_at < :replayed_before)
    AND u.received_at >= :since AND u.received_at < :until
ORDER BY p.update_id LIMIT :limit;

-- name: by_awb
-- A PushConfig's ended pushes of an AWB, also as the AWB of a forward leg. Few: a shipment has tens.
SELECT p.update_id, p.state, u.received_at FROM (
    SELECT id FROM updates WHERE shipment = :awb AND awb = :awb
    UNION SELECT id FROM updates WHERE awb = :awb AND awb <> shipment
    UNION SELECT id FROM updates WHERE forward_awb = :awb
) AS f CROSS JOIN updates AS u ON u.id = f.id CROSS JOIN pushes AS p ON p.update_id = f.id AND p.config_id = :config
WHERE p.update_id > :after AND p.state <> 0 AND u.erased_at IS NULL
    AND (p.replayed_at IS NULL OR p.replayed_at < :replayed_before)
    AND u.received_at >= :since AND u.received_at < :until
ORDER BY p.update_id;

-- name: by_key
-- A PushConfig's ended push of one update.
SELECT p.update_id, p.state, u.received_at
FROM updates AS u CROSS JOIN pushes AS p ON p.update_id = u.id AND p.config_id = :config
WHERE u.key = :key
    AND p.update_id > :after AND p.state <> 0 AND u.erased_at IS NULL
    AND (p.replayed_at IS NULL OR p.replayed_at < :replayed_before)
    AND u.received_at >= :since AND u.received_at < :until;

-- name: push_configs
-- Every PushConfig that has or had a push: one step of the index each.
SELECT name FROM names WHERE EXISTS (
    SELECT 1 FROM pushes INDEXED BY pushes_by_state WHERE state IN (0, 1, 2, 3) AND config_id = names.id
) ORDER BY name;

-- name: replay
-- Late is one that is sent after a newer one of its shipment was delivered there.
UPDATE pushes SET
    state = 0, rejections = 0, due_at = 0, ended_at = NULL, error = NULL,
    replays = replays + 1, replayed_at = :now, tries_before = tries,
    late = late OR EXISTS (
        SELECT 1 FROM updates AS u
        JOIN updates AS e ON e.shipment = u.shipment AND e.account_id = u.account_id AND e.occurred_at > u.occurred_at
        JOIN pushes AS d ON d.update_id = e.id AND d.config_id = pushes.config_id AND d.state = 1
        WHERE u.id = pushes.update_id
    )
WHERE config_id = :config AND state <> 0 AND update_id IN (SELECT value FROM json_each(:ids))
    AND (replayed_at IS NULL OR replayed_at < :replayed_before)
    AND (SELECT erased_at FROM updates WHERE id = pushes.update_id) IS NULL;
