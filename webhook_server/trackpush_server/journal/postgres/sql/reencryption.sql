-- name: next
-- The next updates and how they are stored.
SELECT id, substr(notification, 1, $3) AS notification, substr(body, 1, $3) AS body
FROM trackpush.updates WHERE id > $1 ORDER BY id LIMIT $2;

-- name: payloads
-- The payloads of some updates, which nobody erases until the transaction ends.
SELECT u.id, u.key, u.notification, u.body
FROM trackpush.updates AS u WHERE u.id = ANY ($1::bigint[]) ORDER BY u.id FOR UPDATE;

-- name: replace
-- Store them encrypted again.
UPDATE trackpush.updates AS u SET notification = n.notification, body = n.body
FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS n (id, notification, body) WHERE u.id = n.id;
