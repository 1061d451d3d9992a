-- name: adopt
-- Targets that a server is configured with. Returns those that are new.
INSERT INTO announcement_targets (target, version, seen_at, width, until, created_at, due_at, tries)
SELECT value, 1, :now, 0, 0, 0, 0, 0 FROM json_each(:targets) WHERE true ON CONFLICT (target) DO NOTHING RETURNING target;

-- name: seen
-- Targets that a server is still configured with.
UPDATE announcement_targets SET seen_at = :now WHERE target IN (SELECT value FROM json_each(:targets));

-- name: differing
-- How many rows have another version than the caller read: 0 for those that it did not find.
SELECT count(*) FROM json_each(:rows) AS j LEFT JOIN announced AS a
    ON a.target = j.value ->> 0 AND a.subject = j.value ->> 1 AND a.name = j.value ->> 2
WHERE coalesce(a.version, 0) <> (j.value ->> 3) - 1;

-- name: announce
-- What was announced to targets, as in `Announced`.
INSERT INTO announced (target, subject, name, version, tenant, kind, since, total, counted_at, changed_at)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7,
    j.value ->> 8, j.value ->> 9
FROM json_each(:rows) AS j WHERE true
ON CONFLICT (target, subject, name) DO UPDATE SET version = excluded.version, tenant = excluded.tenant, kind = excluded.kind,
    since = excluded.since, total = excluded.total, counted_at = excluded.counted_at, changed_at = excluded.changed_at;

-- name: collect
-- Events that wait for the next message: the target, then as in `AnnouncedEvent`. The later one of two replaces the earlier one.
INSERT INTO announced_events (target, seq, kind, subject, name, since, reason, message, number)
SELECT j.value ->> 0, (SELECT coalesce(max(e.seq), 0) FROM announced_events AS e) + 1 + j.key,
    j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7
FROM json_each(:rows) AS j WHERE true
ON CONFLICT (target, kind, subject, name) DO UPDATE SET seq = excluded.seq, since = excluded.since, reason = excluded.reason,
    message = excluded.message, number = number + excluded.number;

-- name: put
-- The state of a target, unless somebody else changed it.
UPDATE announcement_targets SET version = :version, seen_at = :seen_at, width = :width, until = :until, message_id = :message_id,
    created_at = :created_at, due_at = :due_at, tries = :tries, error = :error,
    body = CASE WHEN :message_id IS NULL THEN NULL ELSE coalesce(:body, body) END
WHERE target = :target AND version = :version - 1;

-- name: forget_collected
-- Events that a message contains.
DELETE FROM announced_events WHERE target = ? AND seq <= ?;

-- name: collected
-- Of one target, as in `CollectedEvent`.
SELECT target, seq, kind, subject, name, since, reason, message, number FROM announced_events WHERE target = ? ORDER BY seq;

-- name: body
-- Of the message that is not sent yet.
SELECT body FROM announcement_targets WHERE target = ? AND message_id = ?;

-- name: targets
-- All of them, as in `TargetState`.
SELECT target, version, seen_at, width, until, message_id, created_at, due_at, tries, error FROM announcement_targets ORDER BY target;

-- name: announced
-- All of them in one row, as JSON: each row would be a step, after which the thread waits for the interpreter lock.
SELECT json_group_array(json_array(target, subject, name, version, tenant, kind, since, total, counted_at, changed_at)) FROM announced;

-- name: collecting
-- Targets with events.
SELECT DISTINCT target FROM announced_events;

-- name: totals
-- All of them, as JSON.
SELECT json_group_array(json_array(subject, name, total, last_at)) FROM subject_totals;

-- name: drop_targets
-- No server is configured with them any more.
DELETE FROM announcement_targets WHERE seen_at < ?;

-- name: drop_announced
-- Of targets that are gone, and problems that were announced so long ago that they may be announced again.
DELETE FROM announced WHERE target NOT IN (SELECT target FROM announcement_targets) OR (changed_at < :before AND NOT EXISTS (
    SELECT 1 FROM subject_totals AS t WHERE t.subject = announced.subject AND t.name = announced.name
));

-- name: drop_collected
-- Of targets that are gone.
DELETE FROM announced_events WHERE target NOT IN (SELECT target FROM announcement_targets);

-- name: drop_totals
-- Nothing was counted for a long time.
DELETE FROM subject_totals WHERE last_at < ?;

-- name: all_announced
-- For a copy.
SELECT target, subject, name, version, tenant, kind, since, total, counted_at, changed_at FROM announced ORDER BY 1, 2, 3;

-- name: all_collected
-- For a copy.
SELECT target, seq, kind, subject, name, since, reason, message, number FROM announced_events ORDER BY target, seq;

-- name: all_totals
-- For a copy.
SELECT subject, name, total, last_at FROM subject_totals ORDER BY 1, 2;

-- name: all_bodies
-- For a copy.
SELECT target, body FROM announcement_targets WHERE body IS NOT NULL ORDER BY target;

-- name: empty_announced
-- Before all of them are written again.
DELETE FROM announced;

-- name: empty_collected
-- The same.
DELETE FROM announced_events;

-- name: empty_targets
-- The same.
DELETE FROM announcement_targets;

-- name: empty_totals
-- The same.
DELETE FROM subject_totals;

-- name: fill_announced
-- As in `Announced`.
INSERT INTO announced (target, subject, name, version, tenant, kind, since, total, counted_at, changed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: fill_collected
-- As in `CollectedEvent`.
INSERT INTO announced_events (target, seq, kind, subject, name, since, reason, message, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: fill_targets
-- As in `TargetState`.
INSERT INTO announcement_targets (target, version, seen_at, width, until, message_id, created_at, due_at, tries, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: fill_totals
-- As in `SubjectTotal`.
INSERT INTO subject_totals (subject, name, total, last_at) VALUES (?, ?, ?, ?);

-- name: fill_body
-- Of a message that is not sent yet.
UPDATE announcement_targets SET body = ?2 WHERE target = ?1;
