-- name: name_accounts
-- Numbers for accounts that have none, because they never had an update.
INSERT INTO names (name) SELECT value FROM json_each(:accounts) WHERE true ON CONFLICT (name) DO NOTHING;

-- name: keep_since
-- Accounts are served; the first time counts. An account that has an update was served then.
INSERT INTO last_updates (account_id, served_since)
SELECT n.id, :now FROM json_each(:accounts) AS j JOIN names AS n ON n.name = j.value WHERE true
ON CONFLICT (account_id) DO UPDATE SET served_since = coalesce(served_since, at, excluded.served_since);

-- name: reset_since
-- Accounts are served again, after they were not served.
INSERT INTO last_updates (account_id, served_since)
SELECT n.id, :now FROM json_each(:accounts) AS j JOIN names AS n ON n.name = j.value WHERE true
ON CONFLICT (account_id) DO UPDATE SET served_since = excluded.served_since;

-- name: listening
-- When servers could receive updates, as in `Listening`. No row: none said so yet.
SELECT until, pause_from, pause_to FROM listening;

-- name: stop_listening
-- Before the new state is written.
DELETE FROM listening;

-- name: listen
-- The new state.
INSERT INTO listening (until, pause_from, pause_to) VALUES (?, ?, ?);

-- name: clamp
-- The clock was set back: no time is after now.
UPDATE last_updates SET at = min(at, :now), served_since = min(served_since, :now)
WHERE at > :now OR served_since > :now;

-- name: all_at_once
-- The times of all accounts in one row, as JSON: each row would be a step, after which the writer waits for the interpreter lock.
SELECT json_group_array(json_array(n.name, l.at, l.served_since))
FROM last_updates AS l JOIN names AS n ON n.id = l.account_id;

-- name: all
-- The times of all accounts: the name, then as in `AccountTimes`.
SELECT n.name, l.at, l.served_since FROM last_updates AS l JOIN names AS n ON n.id = l.account_id ORDER BY n.name;

-- name: empty
-- Before all of them are written again.
DELETE FROM last_updates;

-- name: add
-- The account's number, then as in `AccountTimes`.
INSERT INTO last_updates (account_id, at, served_since) VALUES (?, ?, ?);
