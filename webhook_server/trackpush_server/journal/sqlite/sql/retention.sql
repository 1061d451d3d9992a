-- name: next
-- Updates in the order received, with whether they have pushes at all and any that is to go.
SELECT u.id, u.received_at, EXISTS (SELECT 1 FROM pushes AS p WHERE p.update_id = u.id),
    EXISTS (
        SELECT 1 FROM pushes AS p WHERE p.update_id = u.id
            AND coalesce(p.ended_at, u.received_at) < CASE p.state WHEN 0 THEN 0 WHEN 2 THEN :dead ELSE :delivered END
    )
FROM updates AS u WHERE u.id > :after ORDER BY u.id LIMIT :limit;

-- name: mark_late
-- A dead push is late when it is replayed after a newer one of its shipment was delivered (`replay.REPLAY`). Dead ones
-- are kept for longer: before the newer one is deleted, they are reported.
UPDATE pushes SET late = 1
WHERE +state = 2 AND late = 0 AND (update_id, config_id) IN (
    WITH n AS MATERIALIZED (
        SELECT e.account_id, e.shipment, e.occurred_at, p.config_id, term('name', e.shipment) AS term FROM updates AS e
        CROSS JOIN pushes AS p ON p.update_id = e.id AND +p.state = 1 AND p.ended_at < :delivered
        WHERE e.id IN (SELECT value FROM json_each(:ids)) AND e.erased_at IS NULL
    ), f AS MATERIALIZED (
        SELECT n.*, t.update_id FROM n CROSS JOIN terms AS t ON t.term = n.term AND t.at < n.occurred_at
        UNION ALL
        SELECT n.*, json_each.value FROM n CROSS JOIN json_each(recent(n.term))
    )
    SELECT o.id, f.config_id FROM f
    CROSS JOIN updates AS o ON o.id = f.update_id AND o.shipment = f.shipment AND o.account_id = f.account_id
        AND o.occurred_at < f.occurred_at
);

-- name: delete_pushes
-- Looked at again: a push may have been replayed since it was found. Those dropped at receipt have no end of their own.
DELETE FROM pushes WHERE update_id IN (SELECT value FROM json_each(:ids))
    AND coalesce(ended_at, (SELECT received_at FROM updates WHERE id = pushes.update_id))
        < CASE state WHEN 0 THEN 0 WHEN 2 THEN :dead ELSE :delivered END;

-- name: delete_attempts
-- Attempts go with their push.
DELETE FROM attempts WHERE update_id IN (SELECT value FROM json_each(:ids))
    AND NOT EXISTS (
        SELECT 1 FROM pushes AS p WHERE p.update_id = attempts.update_id AND p.config_id = attempts.config_id
    );

-- name: delete_updates
-- An update goes with the last of its pushes.
DELETE FROM updates WHERE id IN (SELECT value FROM json_each(:ids)) AND received_at < :delivered
    AND NOT EXISTS (SELECT 1 FROM pushes AS p WHERE p.update_id = updates.id);
