-- name: identity
-- Which journal it is.
SELECT id, copied_from, moved_to, moved_to_place FROM journal;

-- name: copied_from
-- A copy of that journal has begun.
UPDATE journal SET copied_from = ?;

-- name: moved
-- Where the content is from now on.
UPDATE journal SET moved_to = ?, moved_to_place = ?;

-- name: count_updates
-- How many there are.
SELECT count(*) FROM updates;

-- name: last
-- The last update that was written.
SELECT id, key FROM updates ORDER BY id DESC LIMIT 1;

-- name: read_updates
-- The next updates in the order received: the id, then as in `UpdateRecord`.
SELECT u.id, u.key, a.name, u.received_at, u.occurred_at, u.erased_at, u.shipment, u.awb, u.forward_awb, u.order_id, u.status, u.trace,
    u.notification, u.body
FROM updates AS u JOIN names AS a ON a.id = u.account_id WHERE u.id > ? ORDER BY u.id LIMIT ?;

-- name: read_pushes
-- Their pushes: the update's id, then as in `PushRecord`.
SELECT p.update_id, c.name, p.state, p.late, p.tries, p.rejections, p.due_at, p.ended_at, p.error, p.replays, p.replayed_at,
    p.tries_before
FROM pushes AS p JOIN names AS c ON c.id = p.config_id WHERE p.update_id BETWEEN ? AND ? ORDER BY p.update_id, c.name;

-- name: read_attempts
-- Their attempts: the update's id, then as in `AttemptRecord`.
SELECT t.update_id, c.name, t.number, t.started_at, t.duration_ms, t.http_status, t.error
FROM attempts AS t JOIN names AS c ON c.id = t.config_id
WHERE t.update_id BETWEEN ? AND ? ORDER BY t.update_id, c.name, t.number;

-- name: read_erasures
-- Records of erasures, as in `ErasureRecord`.
SELECT subject, reason, begun_at, ended_at, updates, pushes FROM erasures ORDER BY id;

-- name: read_audits
-- The audit log, as in `AuditRecord`.
SELECT at, actor, role, action, target, address FROM audits ORDER BY id;

-- name: names
-- All names that have numbers.
SELECT id, name FROM names;

-- name: add_name
-- Its number.
INSERT INTO names (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id;

-- name: add_update
-- The new id, the account's number, then as in `UpdateRecord`.
INSERT INTO updates (id, account_id, key, received_at, occurred_at, erased_at, shipment, awb, forward_awb, order_id, status, trace,
    notification, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_push
-- The update's id, the PushConfig's number, then as in `PushRecord`.
INSERT INTO pushes (update_id, config_id, state, late, tries, rejections, due_at, ended_at, error, replays, replayed_at, tries_before)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_attempt
-- The update's id, the PushConfig's number, then as in `AttemptRecord`.
INSERT INTO attempts (update_id, config_id, number, started_at, duration_ms, http_status, error) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: add_erasure
-- As in `ErasureRecord`.
INSERT INTO erasures (subject, reason, begun_at, ended_at, updates, pushes) VALUES (?, ?, ?, ?, ?, ?);

-- name: add_audit
-- As in `AuditRecord`.
INSERT INTO audits (at, actor, role, action, target, address) VALUES (?, ?, ?, ?, ?, ?);

-- name: empty_erasures
-- Before all of them are written again.
DELETE FROM erasures;

-- name: empty_audits
-- The same.
DELETE FROM audits;

-- name: empty_unrecognised
-- The same. The counts by account follow by trigger.
DELETE FROM unrecognised;

-- name: add_unrecognised
-- As in `UnrecognisedRecord`.
INSERT INTO unrecognised (key, account, aggregator, received_at, last_at, times, size, content_type, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);
