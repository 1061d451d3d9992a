-- name: by_state
-- Pushes of a PushConfig that are dead or dropped, by their own index, oldest first.
SELECT p.update_id, p.state, u.received_at, p.ended_at, p.error
FROM trackpush.undelivered AS w
JOIN trackpush.pushes AS p ON p.update_id = w.update_id AND p.config_id = w.config_id
JOIN trackpush.updates AS u ON u.id = w.update_id
WHERE w.state = $2 AND w.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1) AND w.update_id > $3
    AND u.erased_at IS NULL AND (p.replayed_at IS NULL OR p.replayed_at < $4) AND u.received_at >= $5 AND u.received_at < $6
ORDER BY w.update_id LIMIT $7;

-- name: delivered
-- Pushes of a PushConfig that were delivered, oldest first: nearly all of its pushes. By its own index, as the list in search.sql.
SELECT p.update_id, p.state, u.received_at, p.ended_at, p.error
FROM (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1 OFFSET 0) AS c
CROSS JOIN LATERAL (
    SELECT p.update_id, p.state, p.ended_at, p.error FROM trackpush.pushes AS p
    WHERE p.state = $2 AND (p.config_id, p.update_id) > (c.id, $3) AND (p.config_id, p.update_id) <= (c.id, 9223372036854775807)
        AND (p.replayed_at IS NULL OR p.replayed_at < $4)
    ORDER BY p.config_id, p.update_id OFFSET 0
) AS p
CROSS JOIN LATERAL (
    SELECT u.received_at FROM trackpush.updates AS u
    WHERE u.id = p.update_id AND u.erased_at IS NULL AND u.received_at >= $5 AND u.received_at < $6 OFFSET 0
) AS u
LIMIT $7;

-- name: by_awb
-- Ended pushes of a PushConfig by the update's AWB or that of its forward leg.
SELECT p.update_id, p.state, u.received_at, p.ended_at, p.error
FROM trackpush.updates AS u
JOIN trackpush.pushes AS p ON p.update_id = u.id AND p.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1)
WHERE u.id IN (
    SELECT id FROM trackpush.updates WHERE hashtextextended(shipment, 0) = hashtextextended($2, 0) AND shipment = $2 AND awb = $2
    UNION SELECT id FROM trackpush.updates WHERE hashtextextended(awb, 0) = hashtextextended($2, 0) AND awb = $2 AND awb <> shipment
    UNION SELECT id FROM trackpush.updates WHERE hashtextextended(forward_awb, 0) = hashtextextended($2, 0) AND forward_awb = $2
)
    AND p.state <> 0 AND p.update_id > $3
    AND u.erased_at IS NULL AND (p.replayed_at IS NULL OR p.replayed_at < $4) AND u.received_at >= $5 AND u.received_at < $6
ORDER BY p.update_id;

-- name: by_key
-- Ended pushes of a PushConfig by their updates' keys.
SELECT p.update_id, p.state, u.received_at, p.ended_at, p.error
FROM trackpush.keys AS k
JOIN trackpush.updates AS u ON u.id = k.update_id
JOIN trackpush.pushes AS p ON p.update_id = k.update_id
    AND p.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1)
WHERE k.key = ANY ($2::bytea[]) AND p.state <> 0 AND p.update_id > $3
    AND u.erased_at IS NULL AND (p.replayed_at IS NULL OR p.replayed_at < $4) AND u.received_at >= $5 AND u.received_at < $6
ORDER BY p.update_id;

-- name: replay
-- Make ended pushes pending again, late where a newer one of the shipment was delivered; tell the others. Under the counter's lock.
WITH chosen AS MATERIALIZED (
    SELECT p.update_id, p.config_id, p.state, p.tries, p.started_at, p.duration_ms, p.http_status, p.error, u.shipment, u.account_id,
        u.occurred_at
    FROM unnest($2::bigint[]) AS w (update_id)
    JOIN trackpush.pushes AS p ON p.update_id = w.update_id
        AND p.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1)
    JOIN trackpush.updates AS u ON u.id = w.update_id
    WHERE p.state <> 0 AND u.erased_at IS NULL AND (p.replayed_at IS NULL OR p.replayed_at < $4)
), kept AS (
    INSERT INTO trackpush.attempts AS a (update_id, config_id, number, started_at, duration_ms, http_status, error)
    SELECT n.update_id, n.config_id, n.tries, n.started_at, n.duration_ms, n.http_status, n.error
    FROM chosen AS n WHERE n.started_at IS NOT NULL
    ON CONFLICT (update_id, config_id, number) DO NOTHING
), replayed AS (
    UPDATE trackpush.pushes AS p SET state = 0, rejections = 0, due_at = 0, ended_at = NULL, error = NULL, started_at = NULL,
        duration_ms = NULL, http_status = NULL, replays = p.replays + 1, replayed_at = $3, tries_before = p.tries,
        late = p.late OR EXISTS (
            SELECT FROM trackpush.updates AS e
            JOIN trackpush.pushes AS d ON d.update_id = e.id AND d.config_id = n.config_id AND d.state = 1
            WHERE hashtextextended(e.shipment, 0) = hashtextextended(n.shipment, 0) AND e.shipment = n.shipment
                AND e.account_id = n.account_id AND e.occurred_at > n.occurred_at
        )
    FROM chosen AS n WHERE p.update_id = n.update_id AND p.config_id = n.config_id
    RETURNING p.update_id, p.config_id
), listed AS (
    INSERT INTO trackpush.undelivered (state, config_id, update_id)
    SELECT 0, n.config_id, n.update_id FROM chosen AS n WHERE n.state = 1
), moved AS (
    UPDATE trackpush.undelivered AS w SET state = 0 FROM chosen AS n
    WHERE n.state > 1 AND w.state = n.state AND w.config_id = n.config_id AND w.update_id = n.update_id
), opened AS (
    UPDATE trackpush.shipments AS s SET open_id = n.open_id
    FROM (SELECT hashtextextended(shipment, account_id) AS hash, min(update_id) AS open_id FROM chosen GROUP BY 1) AS n
    WHERE s.hash = n.hash AND s.open_id > n.open_id
), told AS (
    INSERT INTO trackpush.news (origin, config_id, update_ids, at)
    SELECT $5, r.config_id, array_agg(r.update_id ORDER BY r.update_id), trackpush.now_v1() FROM replayed AS r GROUP BY r.config_id
)
SELECT count(*) AS replayed FROM replayed;

-- name: drop
-- Pending pushes end by hand, the oldest first; their last attempt is kept. Under the counter's lock.
WITH oldest AS MATERIALIZED (
    SELECT p.update_id, p.config_id, p.tries, p.started_at, p.duration_ms, p.http_status, p.error
    FROM trackpush.undelivered AS w
    JOIN trackpush.pushes AS p ON p.update_id = w.update_id AND p.config_id = w.config_id
    WHERE w.state = 0 AND w.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1)
    ORDER BY w.update_id LIMIT $4
), kept AS (
    INSERT INTO trackpush.attempts AS a (update_id, config_id, number, started_at, duration_ms, http_status, error)
    SELECT n.update_id, n.config_id, n.tries, n.started_at, n.duration_ms, n.http_status, n.error
    FROM oldest AS n WHERE n.started_at IS NOT NULL
    ON CONFLICT (update_id, config_id, number) DO NOTHING
), ended AS (
    UPDATE trackpush.pushes AS p SET state = 3, due_at = 0, ended_at = $3, started_at = NULL, duration_ms = NULL,
        http_status = NULL, error = $2
    FROM oldest AS n WHERE p.update_id = n.update_id AND p.config_id = n.config_id AND p.state = 0
    RETURNING p.update_id, p.config_id
), moved AS (
    UPDATE trackpush.undelivered AS w SET state = 3 FROM ended AS n
    WHERE w.state = 0 AND w.config_id = n.config_id AND w.update_id = n.update_id
)
SELECT count(*) AS dropped FROM ended;

-- name: expire
-- Give up the oldest pending pushes: ids grow with the time of receipt, so only the first few are looked at. Under the counter's lock.
WITH oldest AS MATERIALIZED (
    SELECT p.update_id, p.config_id, p.tries, p.started_at, p.duration_ms, p.http_status, p.error,
        coalesce(p.replayed_at, u.received_at) AS begun
    FROM trackpush.undelivered AS w
    JOIN trackpush.pushes AS p ON p.update_id = w.update_id AND p.config_id = w.config_id
    JOIN trackpush.updates AS u ON u.id = w.update_id
    WHERE w.state = 0 AND w.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1)
    ORDER BY w.update_id LIMIT $3
), kept AS (
    INSERT INTO trackpush.attempts AS a (update_id, config_id, number, started_at, duration_ms, http_status, error)
    SELECT n.update_id, n.config_id, n.tries, n.started_at, n.duration_ms, n.http_status, n.error
    FROM oldest AS n WHERE n.begun < $2 AND n.started_at IS NOT NULL
    ON CONFLICT (update_id, config_id, number) DO NOTHING
), expired AS (
    UPDATE trackpush.pushes AS p SET state = 2, due_at = 0, ended_at = trackpush.now_v1(), started_at = NULL, duration_ms = NULL,
        http_status = NULL, error = 'older than its maxAge while its endpoint was failing'
    FROM oldest AS n WHERE n.begun < $2 AND p.update_id = n.update_id AND p.config_id = n.config_id AND p.state = 0
    RETURNING p.update_id, p.config_id
), moved AS (
    UPDATE trackpush.undelivered AS w SET state = 2 FROM expired AS n
    WHERE w.state = 0 AND w.config_id = n.config_id AND w.update_id = n.update_id
)
SELECT count(*) AS expired FROM expired;
