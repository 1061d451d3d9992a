-- name: add
-- Adds numbers to a bucket, all at once as JSON. A name that is not stored has no updates, so it is left out.
INSERT INTO rollups (at, subject, number, label, received, delivered, failed, dead)
SELECT :at, j.value ->> 0, coalesce(n.id, 0), CASE WHEN n.id IS NULL THEN j.value ->> 1 ELSE '' END,
    j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5
FROM json_each(:rows) AS j LEFT JOIN names AS n ON n.name = j.value ->> 1 AND j.value ->> 0 <> 2
WHERE n.id IS NOT NULL OR j.value ->> 0 = 2
ON CONFLICT (at, subject, number, label) DO UPDATE SET
    received = received + excluded.received, delivered = delivered + excluded.delivered,
    failed = failed + excluded.failed, dead = dead + excluded.dead;

-- name: merge
-- Adds the rows of hours to the wide buckets that contain them.
INSERT INTO rollups (at, subject, number, label, received, delivered, failed, dead)
SELECT at - at % :wide, subject, number, label, sum(received), sum(delivered), sum(failed), sum(dead)
FROM rollups WHERE at >= :since AND at < :until AND at % :wide <> 0 GROUP BY 1, 2, 3, 4
ON CONFLICT (at, subject, number, label) DO UPDATE SET
    received = received + excluded.received, delivered = delivered + excluded.delivered,
    failed = failed + excluded.failed, dead = dead + excluded.dead;

-- name: drop_merged
-- The rows that `merge` has added.
DELETE FROM rollups WHERE at >= :since AND at < :until AND at % :wide <> 0;

-- name: drop_old
-- Nobody reads them any more.
DELETE FROM rollups WHERE at < :before;

-- name: read
-- The sums of each subject since :day and since :week. Buckets that begin later are from a clock that was wrong.
SELECT r.subject, coalesce(n.name, r.label),
    sum(CASE WHEN r.at >= :day THEN r.received ELSE 0 END), sum(CASE WHEN r.at >= :day THEN r.delivered ELSE 0 END),
    sum(CASE WHEN r.at >= :day THEN r.failed ELSE 0 END), sum(CASE WHEN r.at >= :day THEN r.dead ELSE 0 END),
    sum(r.received), sum(r.delivered), sum(r.failed), sum(r.dead)
FROM rollups AS r LEFT JOIN names AS n ON n.id = r.number WHERE r.at >= :week AND r.at <= :now
GROUP BY r.subject, r.number, r.label ORDER BY 1, 2;

-- name: all
-- All rows, as in `RollupRecord`.
SELECT r.at, r.subject, coalesce(n.name, r.label), r.received, r.delivered, r.failed, r.dead
FROM rollups AS r LEFT JOIN names AS n ON n.id = r.number ORDER BY 1, 2, 3;

-- name: fill
-- One row of a copy.
INSERT INTO rollups (at, subject, number, label, received, delivered, failed, dead) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: empty
-- Before all of them are written again.
DELETE FROM rollups;
