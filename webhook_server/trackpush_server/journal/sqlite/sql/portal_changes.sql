-- name: waiting_counts
-- Waiting changes of other PushConfigs of the client, and of all clients.
SELECT coalesce(sum(client = :client AND push_config <> :push_config), 0), count(*) FROM portal_changes WHERE state = 'waiting';

-- name: supersede
-- End the waiting change of a PushConfig.
UPDATE portal_changes SET state = 'superseded', message = :message, ended_at = :now, content = x''
WHERE state = 'waiting' AND client = :client AND push_config = :push_config;

-- name: add
-- Store a change.
INSERT INTO portal_changes (id, client, namespace_uid, push_config, state, message, created_at, ended_at, content)
VALUES (:id, :client, :namespace_uid, :push_config, 'waiting', '', :created_at, NULL, :content);

-- name: trim
-- Keep the newest changes of a client. Waiting ones always are among them, because there are few.
DELETE FROM portal_changes WHERE client = :client AND state <> 'waiting' AND id NOT IN (
    SELECT id FROM portal_changes WHERE client = :client ORDER BY created_at DESC, id LIMIT :most
);

-- name: waiting
-- Waiting changes, the oldest first.
SELECT id, client, namespace_uid, push_config, state, message, created_at, ended_at, content FROM portal_changes
WHERE state = 'waiting' ORDER BY created_at, id LIMIT :limit;

-- name: settle
-- End a change, and remove its content.
UPDATE portal_changes SET state = :state, message = :message, ended_at = :now, content = x''
WHERE id = :id AND state = 'waiting' RETURNING id;

-- name: one
-- A change.
SELECT id, client, namespace_uid, push_config, state, message, created_at, ended_at FROM portal_changes WHERE id = :id;

-- name: expire
-- End changes that nobody applied.
UPDATE portal_changes SET state = 'refused', message = :message, ended_at = :now, content = x''
WHERE state = 'waiting' AND created_at < :before RETURNING id;

-- name: recent
-- The newest changes of a client.
SELECT id, client, namespace_uid, push_config, state, message, created_at, ended_at FROM portal_changes
WHERE client = :client AND namespace_uid = :namespace_uid ORDER BY created_at DESC, id LIMIT :limit;

-- name: all
-- All changes, for a copy of the journal.
SELECT id, client, namespace_uid, push_config, state, message, created_at, ended_at, content FROM portal_changes ORDER BY id;

-- name: empty
-- Remove all changes, before a copy writes them.
DELETE FROM portal_changes;

-- name: fill
-- Write a change of a copy.
INSERT INTO portal_changes (id, client, namespace_uid, push_config, state, message, created_at, ended_at, content)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);
