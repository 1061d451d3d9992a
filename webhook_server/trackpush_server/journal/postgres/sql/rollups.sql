-- name: add
-- Adds numbers to a bucket. A name that is not stored has no updates, so it is left out.
INSERT INTO trackpush.rollups AS r (at, subject, number, label, received, delivered, failed, dead)
SELECT $1, g.subject, coalesce(a.id, p.id, 0), CASE WHEN g.subject = 2 THEN g.name ELSE '' END,
    g.received, g.delivered, g.failed, g.dead
FROM unnest($2::smallint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS g (subject, name, received, delivered, failed, dead)
LEFT JOIN trackpush.accounts AS a ON g.subject = 0 AND a.name = g.name
LEFT JOIN trackpush.push_configs AS p ON g.subject = 1 AND p.name = g.name
WHERE g.subject = 2 OR a.id IS NOT NULL OR p.id IS NOT NULL
ON CONFLICT (at, subject, number, label) DO UPDATE SET
    received = r.received + excluded.received, delivered = r.delivered + excluded.delivered,
    failed = r.failed + excluded.failed, dead = r.dead + excluded.dead;

-- name: merge
-- Adds the rows of hours to the wide buckets that contain them, and deletes them.
WITH gone AS (
    DELETE FROM trackpush.rollups WHERE at >= $1 AND at < $2 AND at % $3 <> 0
    RETURNING at - at % $3 AS at, subject, number, label, received, delivered, failed, dead
)
INSERT INTO trackpush.rollups AS r (at, subject, number, label, received, delivered, failed, dead)
SELECT at, subject, number, label, sum(received), sum(delivered), sum(failed), sum(dead) FROM gone GROUP BY 1, 2, 3, 4
ON CONFLICT (at, subject, number, label) DO UPDATE SET
    received = r.received + excluded.received, delivered = r.delivered + excluded.delivered,
    failed = r.failed + excluded.failed, dead = r.dead + excluded.dead;

-- name: drop_old
-- Nobody reads them any more.
DELETE FROM trackpush.rollups WHERE at < $1;

-- name: read
-- The sums of each subject since $1 and since $2. Buckets that begin after $3 are from a clock that was wrong.
SELECT s.subject, coalesce(a.name, p.name, s.label) AS name,
    s.day_received, s.day_delivered, s.day_failed, s.day_dead, s.received, s.delivered, s.failed, s.dead
FROM (
    SELECT subject, number, label,
        coalesce(sum(received) FILTER (WHERE at >= $1), 0)::bigint AS day_received,
        coalesce(sum(delivered) FILTER (WHERE at >= $1), 0)::bigint AS day_delivered,
        coalesce(sum(failed) FILTER (WHERE at >= $1), 0)::bigint AS day_failed,
        coalesce(sum(dead) FILTER (WHERE at >= $1), 0)::bigint AS day_dead,
        sum(received)::bigint AS received, sum(delivered)::bigint AS delivered,
        sum(failed)::bigint AS failed, sum(dead)::bigint AS dead
    FROM trackpush.rollups WHERE at >= $2 AND at <= $3 GROUP BY subject, number, label
) AS s
LEFT JOIN trackpush.accounts AS a ON s.subject = 0 AND a.id = s.number
LEFT JOIN trackpush.push_configs AS p ON s.subject = 1 AND p.id = s.number
ORDER BY s.subject, coalesce(a.name, p.name, s.label) COLLATE "C";

-- name: all
-- All rows: names are those of `RollupRecord`.
SELECT r.at, r.subject, coalesce(a.name, p.name, r.label) AS name, r.received, r.delivered, r.failed, r.dead
FROM trackpush.rollups AS r
LEFT JOIN trackpush.accounts AS a ON r.subject = 0 AND a.id = r.number
LEFT JOIN trackpush.push_configs AS p ON r.subject = 1 AND p.id = r.number
ORDER BY r.at, r.subject, coalesce(a.name, p.name, r.label) COLLATE "C";
