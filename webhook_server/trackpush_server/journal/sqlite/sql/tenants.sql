-- name: known
-- The namespace objects that had, or have, a name.
SELECT uid, generation, current FROM tenants WHERE namespace = ?;

-- name: leave
-- The name belongs to none of them for the moment.
UPDATE tenants SET current = 0 WHERE namespace = ?;

-- name: enter
-- The name belongs to this one.
INSERT INTO tenants (namespace, uid, generation, current) VALUES (?, ?, ?, 1)
ON CONFLICT (namespace, uid) DO UPDATE SET generation = excluded.generation, current = 1;

-- name: names
-- Names of a client, those of its former namespaces included.
SELECT id, name FROM names WHERE substr(name, 1, length(?1) + 1) IN (?1 || '/', ?1 || '@');

-- name: rename
-- Everything that has this number goes by another name.
UPDATE names SET name = ? WHERE id = ?;

-- name: move_attempts
-- Attempts of pushes that were not delivered, to another PushConfig.
UPDATE attempts SET config_id = :to WHERE config_id = :of AND update_id IN (
    SELECT update_id FROM pushes INDEXED BY pushes_undelivered WHERE state IN (0, 2, 3) AND state <> 1 AND config_id = :of
);

-- name: move_terms
-- The entries by which these pushes are found.
INSERT OR IGNORE INTO terms (term, at, update_id)
SELECT term('config', :to), 0, update_id FROM pushes INDEXED BY pushes_undelivered
WHERE state IN (0, 2, 3) AND state <> 1 AND config_id = :of;

-- name: move_pushes
-- The pushes.
UPDATE pushes INDEXED BY pushes_undelivered SET config_id = :to
WHERE state IN (0, 2, 3) AND state <> 1 AND config_id = :of;

-- name: inbox_accounts
-- Accounts of a client that the inbox holds bodies of.
SELECT account FROM unrecognised_accounts WHERE substr(account, 1, length(?1) + 1) IN (?1 || '/', ?1 || '@');

-- name: move_bodies
-- Its bodies go by another name.
UPDATE unrecognised SET account = :to WHERE account = :of;

-- name: add_count
-- How much the other name has then.
INSERT INTO unrecognised_accounts (account, entries, bytes) SELECT :to, entries, bytes FROM unrecognised_accounts WHERE account = :of
ON CONFLICT (account) DO UPDATE SET entries = entries + excluded.entries, bytes = bytes + excluded.bytes;

-- name: drop_count
-- The old one has none.
DELETE FROM unrecognised_accounts WHERE account = :of;

-- name: of_copy
-- All of them, as in `TenantRecord`.
SELECT namespace, uid, generation, current FROM tenants ORDER BY namespace, uid;

-- name: empty
-- Before all of them are written again.
DELETE FROM tenants;

-- name: add
-- As in `TenantRecord`.
INSERT INTO tenants (namespace, uid, generation, current) VALUES (?, ?, ?, ?);
