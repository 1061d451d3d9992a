-- name: next
-- A stretch of all updates, with whether they are wanted: what a filter left out is not indexed, and is rarely asked for.
SELECT u.id, u.erased_at IS NULL AND u.received_at >= $3 AND u.received_at < $4
    AND u.account_id = ANY (ARRAY(SELECT a.id FROM trackpush.accounts AS a WHERE a.name = ANY ($2::text[])))
    AND (  -- not EXISTS, which may be planned as a hash of all pushes of the PushConfig
        SELECT true FROM trackpush.pushes AS p
        WHERE p.update_id = u.id AND p.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1) LIMIT 1
    ) IS NULL AS wanted
FROM (
    SELECT id, account_id, erased_at, received_at FROM trackpush.updates WHERE id > $5 AND id < $6 ORDER BY id LIMIT $7
) AS u ORDER BY u.id;

-- name: by_awb
-- Updates of an AWB, also as the AWB of a forward leg. Few: a shipment has tens.
SELECT u.id FROM trackpush.updates AS u JOIN trackpush.accounts AS a ON a.id = u.account_id
WHERE u.id IN (
    SELECT id FROM trackpush.updates WHERE hashtextextended(shipment, 0) = hashtextextended($6, 0) AND shipment = $6 AND awb = $6
    UNION SELECT id FROM trackpush.updates WHERE hashtextextended(awb, 0) = hashtextextended($6, 0) AND awb = $6 AND awb <> shipment
    UNION SELECT id FROM trackpush.updates WHERE hashtextextended(forward_awb, 0) = hashtextextended($6, 0) AND forward_awb = $6
)
    AND u.id > $5 AND a.name = ANY ($2::text[]) AND u.erased_at IS NULL AND u.received_at >= $3 AND u.received_at < $4
    AND (
        SELECT true FROM trackpush.pushes AS p
        WHERE p.update_id = u.id AND p.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1) LIMIT 1
    ) IS NULL
ORDER BY u.id;

-- name: read
-- Updates with their payloads.
SELECT u.id, a.name AS account, u.received_at, u.key, u.notification, u.body
FROM trackpush.updates AS u JOIN trackpush.accounts AS a ON a.id = u.account_id
WHERE u.id = ANY ($1::bigint[]) AND u.erased_at IS NULL ORDER BY u.id;

-- name: add
-- Pending pushes that count as replayed once, late where a newer one of the shipment was delivered; tell the others. Under the
-- counter's lock.
WITH chosen AS MATERIALIZED (
    SELECT u.id AS update_id, c.id AS config_id, u.shipment, u.account_id, u.occurred_at
    FROM trackpush.updates AS u CROSS JOIN (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1) AS c
    WHERE u.id = ANY ($2::bigint[]) AND u.erased_at IS NULL
), added AS (
    INSERT INTO trackpush.pushes (update_id, config_id, origin, replays, replayed_at, late)
    SELECT n.update_id, n.config_id, $4, 1, $3, EXISTS (
        SELECT FROM trackpush.updates AS e
        JOIN trackpush.pushes AS d ON d.update_id = e.id AND d.config_id = n.config_id AND d.state = 1
        WHERE hashtextextended(e.shipment, 0) = hashtextextended(n.shipment, 0) AND e.shipment = n.shipment
            AND e.account_id = n.account_id AND e.occurred_at > n.occurred_at
    )
    FROM chosen AS n
    ON CONFLICT (update_id, config_id) DO NOTHING
    RETURNING update_id, config_id
), listed AS (
    INSERT INTO trackpush.undelivered (state, config_id, update_id) SELECT 0, n.config_id, n.update_id FROM added AS n
), opened AS (
    UPDATE trackpush.shipments AS s SET open_id = n.open_id
    FROM (
        SELECT hashtextextended(c.shipment, c.account_id) AS hash, min(c.update_id) AS open_id
        FROM chosen AS c JOIN added AS a ON a.update_id = c.update_id GROUP BY 1
    ) AS n
    WHERE s.hash = n.hash AND s.open_id > n.open_id
), told AS (
    INSERT INTO trackpush.news (origin, config_id, update_ids, at)
    SELECT $4, n.config_id, array_agg(n.update_id ORDER BY n.update_id), trackpush.now_v1() FROM added AS n GROUP BY n.config_id
)
SELECT count(*) AS added FROM added;
