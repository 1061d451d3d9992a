-- name: keep_since
-- These accounts are served; the first time counts. An account that has an update was served then.
INSERT INTO trackpush.last_updates AS l (account_id, served_since) SELECT unnest($1::integer[]), $2::bigint
ON CONFLICT (account_id) DO UPDATE SET served_since = coalesce(l.served_since, l.at, excluded.served_since);

-- name: reset_since
-- These accounts are served again, after they were not served.
INSERT INTO trackpush.last_updates (account_id, served_since) SELECT unnest($1::integer[]), $2::bigint
ON CONFLICT (account_id) DO UPDATE SET served_since = excluded.served_since;

-- name: listening
-- When servers could receive updates: names are those of `Listening`. No row: none said so yet.
SELECT until, pause_from, pause_to FROM trackpush.listening;

-- name: listen
-- The new state.
INSERT INTO trackpush.listening (until, pause_from, pause_to) VALUES ($1, $2, $3)
ON CONFLICT (one) DO UPDATE SET until = excluded.until, pause_from = excluded.pause_from, pause_to = excluded.pause_to;

-- name: clamp
-- The clock was set back: no time is after now.
UPDATE trackpush.last_updates SET
    at = CASE WHEN at > $1 THEN $1 ELSE at END, served_since = CASE WHEN served_since > $1 THEN $1 ELSE served_since END
WHERE at > $1 OR served_since > $1;

-- name: all
-- The times of all accounts: the name, then as in `AccountTimes`.
SELECT a.name, l.at AS last_update, l.served_since
FROM trackpush.last_updates AS l JOIN trackpush.accounts AS a ON a.id = l.account_id ORDER BY a.name COLLATE "C";
