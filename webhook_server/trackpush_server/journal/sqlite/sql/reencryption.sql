-- name: next
-- The next updates with the first bytes of their payloads, which tell how they are stored.
SELECT id, substr(notification, 1, ?1), substr(body, 1, ?1) FROM updates WHERE id > ?2 ORDER BY id LIMIT ?3;

-- name: payloads
-- What must be sealed again.
SELECT id, key, notification, body FROM updates WHERE id IN (SELECT value FROM json_each(?));

-- name: replace
-- Store it encrypted again.
UPDATE updates SET notification = ?, body = ? WHERE id = ?;
