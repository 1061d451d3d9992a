-- name: known
-- The namespace objects that had, or have, these names.
SELECT namespace, uid, generation, current FROM trackpush.tenants WHERE namespace = ANY ($1::text[]);

-- name: current
-- The namespace objects that these names belong to now.
SELECT namespace, uid FROM trackpush.tenants WHERE current AND namespace = ANY ($1::text[]);

-- name: enter
-- Each name belongs to this namespace object, and to no other.
WITH given AS (
    SELECT g.namespace, g.uid, g.generation
    FROM unnest($1::text[], $2::text[], $3::text[]) AS g (namespace, uid, generation)
), entered AS (
    INSERT INTO trackpush.tenants AS t (namespace, uid, generation, current)
    SELECT g.namespace, g.uid, g.generation, true FROM given AS g
    ON CONFLICT (namespace, uid) DO UPDATE SET generation = excluded.generation, current = true
    WHERE (t.generation, t.current) IS DISTINCT FROM (excluded.generation, true)
)
UPDATE trackpush.tenants AS t SET current = false FROM given AS g WHERE t.namespace = g.namespace AND t.uid <> g.uid AND t.current;

-- name: accounts
-- Names of a client, those of its former namespaces included.
SELECT id, name FROM trackpush.accounts WHERE starts_with(name, $1 || '/') OR starts_with(name, $1 || '@');

-- name: push_configs
-- The same.
SELECT id, name FROM trackpush.push_configs WHERE starts_with(name, $1 || '/') OR starts_with(name, $1 || '@');

-- name: rename_account
-- Everything that has this number goes by another name.
UPDATE trackpush.accounts SET name = $2 WHERE id = $1;

-- name: rename_push_config
-- The same. A former one keeps its slot: its last outcomes still come from the slot's owner.
UPDATE trackpush.push_configs SET name = $2, slot = coalesce($3::smallint, slot) WHERE id = $1;

-- name: move_attempts
-- Attempts of pushes that were not delivered, to another PushConfig.
UPDATE trackpush.attempts AS a SET config_id = $2 FROM trackpush.undelivered AS u
WHERE u.config_id = $1 AND a.update_id = u.update_id AND a.config_id = $1;

-- name: move_pushes
-- The pushes.
UPDATE trackpush.pushes AS p SET config_id = $2 FROM trackpush.undelivered AS u
WHERE u.config_id = $1 AND p.update_id = u.update_id AND p.config_id = $1;

-- name: move_undelivered
-- The entries by which they are found.
UPDATE trackpush.undelivered SET config_id = $2 WHERE config_id = $1;

-- name: lock_inbox
-- What writes to the inbox takes this lock first.
SELECT trackpush.lock_unrecognised_v1();

-- name: inbox_accounts
-- Accounts of a client that the inbox holds bodies of.
SELECT account AS name FROM trackpush.unrecognised_accounts WHERE starts_with(account, $1 || '/') OR starts_with(account, $1 || '@');

-- name: move_bodies
-- Its bodies go by another name.
UPDATE trackpush.unrecognised SET account = $2 WHERE account = $1;

-- name: move_count
-- How much the other name has then.
WITH gone AS (DELETE FROM trackpush.unrecognised_accounts WHERE account = $1 RETURNING entries, bytes)
INSERT INTO trackpush.unrecognised_accounts AS a (account, entries, bytes) SELECT $2, g.entries, g.bytes FROM gone AS g
ON CONFLICT (account) DO UPDATE SET entries = a.entries + excluded.entries, bytes = a.bytes + excluded.bytes;

-- name: of_copy
-- All of them: names are those of `TenantRecord`.
SELECT namespace, uid, generation, current FROM trackpush.tenants ORDER BY namespace COLLATE "C", uid COLLATE "C";
