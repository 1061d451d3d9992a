-- name: start
-- Where to begin: everything before is found by the scan of a slot that is taken.
SELECT c.last_id, c.history, (SELECT coalesce(max(n.id), 0) FROM trackpush.news AS n) AS last_news FROM trackpush.counter AS c;

-- name: stored
-- Pushes that others stored since then for PushConfigs whose slot is ours: the lowest update id of each; how far this look saw; and the
-- last of what was replayed or erased. One row at least.
SELECT n.last_id, n.history, (SELECT coalesce(max(d.id), 0) FROM trackpush.news AS d) AS last_news, p.name, p.lowest
FROM trackpush.counter AS n LEFT JOIN LATERAL (
    SELECT c.name, min(p.update_id) AS lowest
    FROM trackpush.pushes AS p
    JOIN trackpush.push_configs AS c ON c.id = p.config_id
    JOIN trackpush.slots AS s ON s.slot = c.slot AND s.owner = $2
    WHERE p.update_id > $1 AND p.state = 0 AND p.origin <> $2
    GROUP BY c.name
) AS p ON true;

-- name: done
-- What others replayed or erased since then.
SELECT n.id, n.origin, c.name, n.update_ids
FROM trackpush.news AS n LEFT JOIN trackpush.push_configs AS c ON c.id = n.config_id
WHERE n.id > $1 ORDER BY n.id LIMIT 100;

-- name: forget
-- What everybody has read long ago, and the last answers to processes that ended; ours stay. By the database's clock, as `at` is.
WITH old_news AS (
    DELETE FROM trackpush.news WHERE at < trackpush.now_v1() - $1::bigint
), ours AS (
    UPDATE trackpush.answers SET at = trackpush.now_v1() WHERE replica = $2
)
DELETE FROM trackpush.answers WHERE at < trackpush.now_v1() - $1::bigint AND replica <> $2;

-- name: tell
-- Wake all replicas for news.
SELECT pg_notify('trackpush', '');
