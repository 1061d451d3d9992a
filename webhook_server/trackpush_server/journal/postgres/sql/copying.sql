-- name: settings
-- Of a session that copies. It may wait for the other store for as long as that takes, and may write to a journal that is held.
SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '30s';
SET default_transaction_isolation = 'read committed'; SET synchronous_commit = on; SET jit = off; SET trackpush.copies = 'yes';

-- name: exists
-- Whether there is a journal, whatever its state.
SELECT to_regclass('trackpush.schema_changes') IS NOT NULL;

-- name: mark
-- What keeps servers off it, if anything does.
SELECT name FROM trackpush.schema_changes WHERE number = $1;

-- name: hold
-- Keep servers off it.
INSERT INTO trackpush.schema_changes (number, name, needs) VALUES ($1, $2, $1);

-- name: let_go
-- Servers may use it.
DELETE FROM trackpush.schema_changes WHERE number = $1;

-- name: identity
-- Which journal it is.
SELECT id, copied_from, moved_to, moved_to_place FROM trackpush.journal;

-- name: begin_copy
-- A new journal: its id is its own, also in a database that was made from a template.
UPDATE trackpush.journal SET id = gen_random_uuid()::text, copied_from = $1;

-- name: moved
-- Where the content is from now on.
UPDATE trackpush.journal SET moved_to = $1, moved_to_place = $2;

-- name: lock
-- Nobody writes to any table until this transaction ends; what was under way has ended. The counter first, as in an append.
DO $$ BEGIN
    EXECUTE (
        SELECT 'LOCK TABLE ' || string_agg(format('trackpush.%I', c.relname), ', ' ORDER BY c.relname <> 'counter', c.relname)
            || ' IN EXCLUSIVE MODE'
        FROM pg_class AS c
        WHERE c.relnamespace = 'trackpush'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    );
END $$;

-- name: forget_replicas
-- Slots and the writers' last answers go with them: a call that still waits somewhere fails.
WITH gone AS (DELETE FROM trackpush.replicas) DELETE FROM trackpush.answers;

-- name: beats
-- Every replica that may live, and how long it may be silent.
SELECT id, name, beat, lease_seconds FROM trackpush.replicas;

-- name: last_id
-- Of the last append; 0: there was none.
SELECT last_id FROM trackpush.counter;

-- name: count_updates
-- How many there are.
SELECT count(*) FROM trackpush.updates;

-- name: find_key
-- The update with this key.
SELECT update_id FROM trackpush.keys WHERE key = $1;

-- name: read_updates
-- The next updates in the order received. Names are those of `UpdateRecord`.
SELECT u.id, u.key, a.name AS account, u.received_at, u.occurred_at, u.erased_at, u.shipment, u.awb, u.forward_awb, u.order_id, u.status,
    u.trace, u.notification, u.body
FROM trackpush.updates AS u JOIN trackpush.accounts AS a ON a.id = u.account_id WHERE u.id > $1 ORDER BY u.id LIMIT $2;

-- name: read_pushes
-- Their pushes, each with the last attempt in front: names are those of `AttemptRecord`, then of `PushRecord`.
SELECT p.update_id, p.started_at, p.duration_ms, p.http_status, c.name AS push_config, p.state, p.late, p.tries, p.rejections, p.due_at,
    p.ended_at, p.error, p.replays, p.replayed_at, p.tries_before
FROM trackpush.pushes AS p JOIN trackpush.push_configs AS c ON c.id = p.config_id
WHERE p.update_id BETWEEN $1 AND $2 ORDER BY p.update_id, c.name COLLATE "C";

-- name: read_attempts
-- Their earlier attempts: names are those of `AttemptRecord`.
SELECT t.update_id, c.name AS push_config, t.number, t.started_at, t.duration_ms, t.http_status, t.error
FROM trackpush.attempts AS t JOIN trackpush.push_configs AS c ON c.id = t.config_id
WHERE t.update_id BETWEEN $1 AND $2;

-- name: read_erasures
-- Records of erasures: names are those of `ErasureRecord`.
SELECT subject, reason, begun_at, ended_at, updates, pushes FROM trackpush.erasures ORDER BY id;

-- name: read_audits
-- The audit log: names are those of `AuditRecord`.
SELECT at, actor, role, action, target, address FROM trackpush.audits ORDER BY id;

-- name: state
-- Where a copy that was cut short has got to, and today.
SELECT coalesce(max(u.id), 0) AS last_id, trackpush.day_v1() AS today FROM trackpush.updates AS u;

-- name: key_of
-- The key of an update.
SELECT key FROM trackpush.updates WHERE id = $1;

-- name: make_partition
-- See to the partitions of a day.
SELECT trackpush.make_partition_v1($1);

-- name: accounts
-- All names.
SELECT name, id FROM trackpush.accounts;

-- name: push_configs
-- All names.
SELECT name, id FROM trackpush.push_configs;

-- name: empty_rest
-- Before all of it is written again.
TRUNCATE trackpush.shipments, trackpush.erasures, trackpush.audits, trackpush.unrecognised, trackpush.unrecognised_accounts,
    trackpush.tenants, trackpush.last_updates, trackpush.listening, trackpush.rollups, trackpush.portal_key, trackpush.portal_links,
    trackpush.portal_changes,
    trackpush.announced, trackpush.announced_events, trackpush.announcement_targets, trackpush.subject_totals,
    trackpush.config_history, trackpush.config_resources;

-- name: derive_shipments
-- What an append knows of each shipment. Origin 0: several replicas stored them, so that each looks before it pushes.
INSERT INTO trackpush.shipments (hash, latest, open_id, last_id, origin)
SELECT hashtextextended(u.shipment, u.account_id), max(u.occurred_at),
    coalesce(min(u.id) FILTER (WHERE EXISTS (
        SELECT FROM trackpush.pushes AS p WHERE p.update_id = u.id AND p.state = 0
    )), max(u.id)), max(u.id), 0
FROM trackpush.updates AS u WHERE u.erased_at IS NULL GROUP BY 1;

-- name: set_last_id
-- The next update comes after these.
UPDATE trackpush.counter SET last_id = $1;
