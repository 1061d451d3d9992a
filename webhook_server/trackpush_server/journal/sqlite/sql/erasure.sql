-- name: of_awb
-- Few: a shipment has tens of updates.
SELECT u.id FROM (
    SELECT update_id AS id FROM terms WHERE term = term('name', :awb) AND update_id <= (SELECT up_to FROM indexed)
    UNION
    SELECT r.id FROM updates AS r WHERE r.id > (SELECT up_to FROM indexed)
        AND (r.shipment = :awb OR r.awb = :awb OR r.forward_awb = :awb)
) AS f CROSS JOIN updates AS u ON u.id = f.id AND (u.shipment = :awb OR u.awb = :awb OR u.forward_awb = :awb)
ORDER BY u.id;

-- name: one
-- What tells whether an update is to be erased.
SELECT id, account_id, erased_at FROM updates WHERE id = ?;

-- name: next_ids
-- A range of all updates: there is no index by client, and erasures of a client are rare.
SELECT id, account_id, erased_at FROM updates WHERE id > ? ORDER BY id LIMIT ?;

-- name: accounts
-- Numbers of the accounts of a client.
SELECT id FROM names WHERE substr(name, 1, length(:client) + 1) = :client || '/';

-- name: blank_updates
-- Empty what tells of people; the key that tells a repeat stays.
UPDATE updates SET shipment = '', awb = NULL, forward_awb = NULL, order_id = NULL, notification = x'', body = x'',
    trace = NULL, erased_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND erased_at IS NULL;

-- name: blank_attempts
-- What endpoints answered may quote it.
UPDATE attempts SET error = NULL WHERE update_id IN (SELECT value FROM json_each(:ids));

-- name: end_pushes
-- Those that were pending are dropped.
UPDATE pushes SET state = CASE state WHEN 0 THEN 3 ELSE state END, due_at = 0, ended_at = coalesce(ended_at, :now),
    error = CASE state WHEN 0 THEN 'erased before it was delivered' END
WHERE update_id IN (SELECT value FROM json_each(:ids));

-- name: count
-- Add to the record of an erasure.
UPDATE erasures SET updates = updates + ?, pushes = pushes + ? WHERE id = ?;

-- name: begin
-- Write down that an erasure has begun.
INSERT INTO erasures (subject, reason, begun_at) VALUES (?, ?, ?);

-- name: end
-- Write down that it is done.
UPDATE erasures SET ended_at = ? WHERE id = ?;

-- name: records
-- The records, newest first.
SELECT id, subject, reason, begun_at, ended_at, updates, pushes FROM erasures ORDER BY id DESC LIMIT ?;
