-- name: alone
-- Whether no other replica is at it; until the end of the transaction.
SELECT pg_try_advisory_xact_lock(8390876135376844148) AS alone;

-- name: next
-- Updates in the order received, with whether they have pushes at all and any that is to go.
SELECT u.id, u.received_at, EXISTS (SELECT FROM trackpush.pushes AS p WHERE p.update_id = u.id) AS has_pushes,
    EXISTS (
        SELECT FROM trackpush.pushes AS p WHERE p.update_id = u.id
            AND coalesce(p.ended_at, u.received_at) < CASE p.state WHEN 0 THEN 0 WHEN 2 THEN $4::bigint ELSE $3::bigint END
    ) AS has_old
FROM trackpush.updates AS u WHERE u.id > $1 ORDER BY u.id LIMIT $2;

-- name: mark_late
-- A dead push is late when it is replayed after a newer one of its shipment was delivered. Dead ones are kept for longer: before the
-- newer one is deleted, they are reported.
WITH going AS MATERIALIZED (
    SELECT p.config_id, e.shipment, e.account_id, e.occurred_at
    FROM unnest($1::bigint[]) AS w (id)
    JOIN trackpush.updates AS e ON e.id = w.id AND e.erased_at IS NULL
    JOIN trackpush.pushes AS p ON p.update_id = e.id AND p.state = 1 AND p.ended_at < $2
), concerned AS MATERIALIZED (
    SELECT g.config_id FROM (SELECT DISTINCT config_id FROM going) AS g
    WHERE EXISTS (SELECT FROM trackpush.undelivered AS w WHERE w.state = 2 AND w.config_id = g.config_id)
), older AS MATERIALIZED (
    SELECT DISTINCT o.id, g.config_id
    FROM going AS g JOIN concerned AS c ON c.config_id = g.config_id
    JOIN trackpush.updates AS o ON hashtextextended(o.shipment, 0) = hashtextextended(g.shipment, 0) AND o.shipment = g.shipment
        AND o.account_id = g.account_id AND o.occurred_at < g.occurred_at
)
UPDATE trackpush.pushes AS d SET late = true FROM older AS o
WHERE d.update_id = o.id AND d.config_id = o.config_id AND d.state = 2 AND NOT d.late;

-- name: delete_pushes
-- Looked at again: a push may have been replayed since it was found. Those dropped at receipt have no end of their own.
WITH gone AS (
    DELETE FROM trackpush.pushes AS p USING unnest($1::bigint[]) AS w (id), trackpush.updates AS u
    WHERE p.update_id = w.id AND u.id = w.id
        AND coalesce(p.ended_at, u.received_at) < CASE p.state WHEN 0 THEN 0 WHEN 2 THEN $3::bigint ELSE $2::bigint END
    RETURNING p.update_id, p.config_id, p.state
), listed AS (
    DELETE FROM trackpush.undelivered AS w USING gone AS g
    WHERE g.state > 1 AND w.state = g.state AND w.config_id = g.config_id AND w.update_id = g.update_id
), attempts AS (
    DELETE FROM trackpush.attempts AS a USING gone AS g WHERE a.update_id = g.update_id AND a.config_id = g.config_id
)
SELECT count(*) AS pushes FROM gone;

-- name: delete_updates
-- Those without pushes, and what was remembered of them elsewhere.
WITH gone AS (
    DELETE FROM trackpush.updates AS u USING unnest($1::bigint[]) AS w (id)
    WHERE u.id = w.id AND u.received_at < $2 AND NOT EXISTS (SELECT FROM trackpush.pushes AS p WHERE p.update_id = u.id)
    RETURNING u.id, u.key, hashtextextended(u.shipment, u.account_id) AS hash
), keys AS (
    DELETE FROM trackpush.keys AS k USING gone AS g WHERE k.key = g.key
), shipments AS (
    DELETE FROM trackpush.shipments AS s USING gone AS g WHERE s.hash = g.hash AND s.last_id = g.id
)
SELECT count(*) AS updates FROM gone;

-- name: forget
-- What is remembered elsewhere of updates whose partition will be dropped whole.
WITH going AS MATERIALIZED (
    SELECT u.id, u.key, hashtextextended(u.shipment, u.account_id) AS hash
    FROM unnest($1::bigint[]) AS w (id) JOIN trackpush.updates AS u ON u.id = w.id
), keys AS (
    DELETE FROM trackpush.keys AS k USING going AS g WHERE k.key = g.key RETURNING g.id
), shipments AS (
    DELETE FROM trackpush.shipments AS s USING going AS g WHERE s.hash = g.hash AND s.last_id = g.id
)
SELECT count(*) AS updates, (SELECT count(*) FROM trackpush.pushes AS p JOIN keys AS k ON k.id = p.update_id) AS pushes FROM keys;

-- name: days
-- Days before the day before the last id's that have partitions.
SELECT d.day FROM (
    SELECT to_date(right(c.relname, 8), 'YYYYMMDD') - date '2020-01-01' AS day
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'trackpush.updates'::regclass
) AS d
WHERE d.day < (SELECT last_id >> 36 FROM trackpush.counter) - 1 AND d.day < trackpush.day_v1() - 1 ORDER BY d.day;

-- name: kept
-- Whether anything received on a day is kept still; stops at the first.
SELECT EXISTS (
    SELECT FROM trackpush.undelivered AS w
    WHERE w.update_id >= $1::bigint << 36 AND w.update_id < ($1::bigint + 1) << 36 AND w.state = 0
) OR EXISTS (
    SELECT FROM trackpush.updates AS u WHERE u.id >= $1::bigint << 36 AND u.id < ($1::bigint + 1) << 36 AND u.received_at >= $2
) OR EXISTS (
    SELECT FROM trackpush.pushes AS p LEFT JOIN trackpush.updates AS u ON u.id = p.update_id AND p.ended_at IS NULL
    WHERE p.update_id >= $1::bigint << 36 AND p.update_id < ($1::bigint + 1) << 36
        AND coalesce(p.ended_at, u.received_at) >= CASE p.state WHEN 0 THEN 0 WHEN 2 THEN $3::bigint ELSE $2::bigint END
) AS kept;
