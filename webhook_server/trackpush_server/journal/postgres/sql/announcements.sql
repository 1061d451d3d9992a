-- name: seen
-- Targets that a server is still configured with.
UPDATE trackpush.announcement_targets AS t SET seen_at = $2
FROM (SELECT g.target FROM unnest($1::text[]) AS g (target) ORDER BY 1) AS s WHERE t.target = s.target;

-- name: adopt
-- Targets that a server is configured with. Returns those that are new.
INSERT INTO trackpush.announcement_targets (target, version, seen_at, width, until, created_at, due_at, tries)
SELECT g.target, 1, $2, 0, 0, 0, 0, 0 FROM unnest($1::text[]) AS g (target) ORDER BY 1
ON CONFLICT (target) DO NOTHING RETURNING target;

-- name: announce
-- What was announced to targets: columns as in `Announced`. Returns one row for each that had the version that the caller read.
INSERT INTO trackpush.announced AS a (target, subject, name, version, tenant, kind, since, total, counted_at, changed_at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]
) ORDER BY 1, 2, 3
ON CONFLICT (target, subject, name) DO UPDATE SET version = excluded.version, tenant = excluded.tenant, kind = excluded.kind,
    since = excluded.since, total = excluded.total, counted_at = excluded.counted_at, changed_at = excluded.changed_at
WHERE a.version = excluded.version - 1 RETURNING 1;

-- name: collect
-- Events that wait for the next message: the target, then as in `AnnouncedEvent`. The later one of two replaces the earlier one.
INSERT INTO trackpush.announced_events AS e (target, kind, subject, name, since, reason, message, number)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[])
ON CONFLICT (target, kind, subject, name) DO UPDATE SET seq = excluded.seq, since = excluded.since, reason = excluded.reason,
    message = excluded.message, number = e.number + excluded.number;

-- name: put
-- The state of a target, unless somebody else changed it.
UPDATE trackpush.announcement_targets SET version = $2, seen_at = $3, width = $4, until = $5, message_id = $6::text, created_at = $7,
    due_at = $8, tries = $9, error = $10, body = CASE WHEN $6::text IS NULL THEN NULL ELSE coalesce($11::bytea, body) END
WHERE target = $1 AND version = $2 - 1 RETURNING 1;

-- name: forget_collected
-- Events that a message contains.
DELETE FROM trackpush.announced_events WHERE target = $1 AND seq <= $2;

-- name: collected
-- Of one target: names are those of `CollectedEvent`.
SELECT target, seq, kind, subject, name, since, reason, message, number FROM trackpush.announced_events WHERE target = $1 ORDER BY seq;

-- name: body
-- Of the message that is not sent yet.
SELECT body FROM trackpush.announcement_targets WHERE target = $1 AND message_id = $2;

-- name: targets
-- All of them: names are those of `TargetState`.
SELECT target, version, seen_at, width, until, message_id, created_at, due_at, tries, error
FROM trackpush.announcement_targets ORDER BY target COLLATE "C";

-- name: announced
-- All of them: names are those of `Announced`.
SELECT target, subject, name, version, tenant, kind, since, total, counted_at, changed_at
FROM trackpush.announced ORDER BY target COLLATE "C", subject COLLATE "C", name COLLATE "C";

-- name: collecting
-- Targets with events.
SELECT DISTINCT target FROM trackpush.announced_events;

-- name: totals
-- All of them: names are those of `SubjectTotal`.
SELECT subject, name, total, last_at FROM trackpush.subject_totals ORDER BY subject COLLATE "C", name COLLATE "C";

-- name: drop_targets
-- No server is configured with them any more.
DELETE FROM trackpush.announcement_targets WHERE seen_at < $1;

-- name: drop_totals
-- Nothing was counted for a long time.
DELETE FROM trackpush.subject_totals WHERE last_at < $1;

-- name: drop_announced
-- Of targets that are gone, and problems that were announced so long ago that they may be announced again.
DELETE FROM trackpush.announced AS a
WHERE NOT EXISTS (SELECT FROM trackpush.announcement_targets AS t WHERE t.target = a.target) OR (a.changed_at < $1 AND NOT EXISTS (
    SELECT FROM trackpush.subject_totals AS t WHERE t.subject = a.subject AND t.name = a.name
));

-- name: drop_collected
-- Of targets that are gone.
DELETE FROM trackpush.announced_events AS e
WHERE NOT EXISTS (SELECT FROM trackpush.announcement_targets AS t WHERE t.target = e.target);

-- name: all_collected
-- For a copy: names are those of `CollectedEvent`.
SELECT target, seq, kind, subject, name, since, reason, message, number
FROM trackpush.announced_events ORDER BY target COLLATE "C", seq;

-- name: all_bodies
-- For a copy.
SELECT target, body FROM trackpush.announcement_targets WHERE body IS NOT NULL ORDER BY target COLLATE "C";

-- name: fill_body
-- Of a message that is not sent yet.
UPDATE trackpush.announcement_targets SET body = $2 WHERE target = $1;

-- name: empty_totals
-- The triggers counted what was copied before; the copied totals replace that.
DELETE FROM trackpush.subject_totals;

-- name: next_seq
-- Events that are collected after a copy come after those that were copied.
SELECT setval(pg_get_serial_sequence('trackpush.announced_events', 'seq'), coalesce(max(seq), 0) + 1) FROM trackpush.announced_events;
