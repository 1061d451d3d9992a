-- name: keep
-- Keep what gathered, in one call: see schema/0006_unrecognised.sql.
SELECT * FROM trackpush.keep_unrecognised_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: lock
-- Before a statement that deletes or replaces bodies, in its transaction.
SELECT trackpush.lock_unrecognised_v1();

-- name: forget
-- Delete bodies by key.
DELETE FROM trackpush.unrecognised WHERE key = ANY ($1::bytea[]) RETURNING id;

-- name: expire
-- Delete bodies that came last before a time.
DELETE FROM trackpush.unrecognised WHERE id IN (
    SELECT id FROM trackpush.unrecognised WHERE last_at < $1 ORDER BY last_at LIMIT $2
) RETURNING id;

-- name: page
-- Bodies of an account, a client or all, the newest first.
SELECT id, key, account, aggregator, received_at, last_at, times, size, content_type FROM trackpush.unrecognised
WHERE id < $1 AND ($2::text IS NULL OR account = $2) AND ($3::text IS NULL OR starts_with(account, $3 || '/'))
ORDER BY id DESC LIMIT $4;

-- name: one
-- One body.
SELECT id, key, account, aggregator, received_at, last_at, times, size, content_type, body FROM trackpush.unrecognised WHERE key = $1;

-- name: counts
-- How much is kept of each account, and since when.
SELECT a.account, a.entries, a.bytes, (
    SELECT coalesce(min(u.received_at), 0) FROM trackpush.unrecognised AS u WHERE u.account = a.account
) AS oldest_received_at
FROM trackpush.unrecognised_accounts AS a ORDER BY a.account;

-- name: next_sealed
-- The next bodies and how they are stored.
SELECT id, substr(body, 1, $3) AS body FROM trackpush.unrecognised WHERE id > $1 ORDER BY id LIMIT $2;

-- name: payloads
-- Bodies to seal again.
SELECT id, key, body FROM trackpush.unrecognised WHERE id = ANY ($1::bigint[]) ORDER BY id;

-- name: replace
-- Store them sealed with another key.
UPDATE trackpush.unrecognised AS u SET body = n.body FROM unnest($1::bigint[], $2::bytea[]) AS n (id, body) WHERE u.id = n.id;
