-- name: keep
-- Keep a body, or count one that the account sent before. The second column is false where it was kept already.
INSERT INTO unrecognised (key, account, aggregator, received_at, last_at, times, size, content_type, body)
VALUES (:key, :account, :aggregator, :received_at, :received_at, 1, :size, :content_type, :body)
ON CONFLICT (key) DO UPDATE SET times = times + 1, last_at = max(last_at, excluded.last_at),
    received_at = min(received_at, excluded.received_at)
RETURNING times = 1;

-- name: account
-- How much is kept of an account.
SELECT entries, bytes FROM unrecognised_accounts WHERE account = :account;

-- name: all
-- How much is kept over all accounts, and which account holds the most entries and the most bytes.
SELECT coalesce(sum(entries), 0), coalesce(sum(bytes), 0),
    (SELECT account FROM unrecognised_accounts ORDER BY entries DESC, account LIMIT 1),
    (SELECT account FROM unrecognised_accounts ORDER BY bytes DESC, account LIMIT 1)
FROM unrecognised_accounts;

-- name: drop_beyond
-- Drop an account's oldest bodies beyond its bounds; the newest stays, however large it is.
DELETE FROM unrecognised WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER newest AS place, sum(size) OVER newest AS held
        FROM unrecognised WHERE account = :account
        WINDOW newest AS (ORDER BY id DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE place > :entries OR (held > :bytes AND place > 1)
) RETURNING id;

-- name: drop_oldest
-- Drop an account's oldest body.
DELETE FROM unrecognised WHERE id = (SELECT min(id) FROM unrecognised WHERE account = :account) RETURNING id;

-- name: forget
-- Delete bodies by key.
DELETE FROM unrecognised WHERE key = :key RETURNING id;

-- name: expire
-- Delete bodies that came last before a time.
DELETE FROM unrecognised WHERE id IN (
    SELECT id FROM unrecognised WHERE last_at < :before ORDER BY last_at LIMIT :limit
) RETURNING id;

-- name: page
-- Bodies of an account, a client or all, the newest first.
SELECT id, key, account, aggregator, received_at, last_at, times, size, content_type FROM unrecognised
WHERE id < :before AND (:account IS NULL OR account = :account)
    AND (:client IS NULL OR substr(account, 1, length(:client) + 1) = :client || '/')
ORDER BY id DESC LIMIT :limit;

-- name: one
-- One body.
SELECT id, key, account, aggregator, received_at, last_at, times, size, content_type, body FROM unrecognised WHERE key = :key;

-- name: counts
-- How much is kept of each account, and since when.
SELECT a.account, a.entries, a.bytes, (SELECT min(received_at) FROM unrecognised AS u WHERE u.account = a.account)
FROM unrecognised_accounts AS a ORDER BY a.account;

-- name: next_sealed
-- The next bodies and how they are stored.
SELECT id, substr(body, 1, :prefix) FROM unrecognised WHERE id > :after ORDER BY id LIMIT :limit;

-- name: payload
-- One body to seal again.
SELECT key, body FROM unrecognised WHERE id = :id;

-- name: replace
-- Store it sealed with another key.
UPDATE unrecognised SET body = :body WHERE id = :id;
