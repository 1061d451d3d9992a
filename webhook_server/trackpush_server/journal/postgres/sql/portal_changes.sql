-- name: add
-- Store a change in place of the waiting one of its PushConfig, unless too many wait; the number of changes stored. The caller holds
-- the counter's lock, so the counts are exact.
WITH counted AS (
    SELECT count(*) FILTER (WHERE client = $2 AND push_config <> $4) AS of_client, count(*) AS in_all
    FROM trackpush.portal_changes WHERE state = 'waiting'
), superseded AS (
    UPDATE trackpush.portal_changes SET state = 'superseded', message = $7, ended_at = $5, content = ''
    FROM counted AS c
    WHERE state = 'waiting' AND client = $2 AND push_config = $4 AND c.of_client < $8 AND c.in_all < $9
), added AS (
    INSERT INTO trackpush.portal_changes (id, client, namespace_uid, push_config, state, message, created_at, ended_at, content)
    SELECT $1, $2, $3, $4, 'waiting', '', $5, NULL, $6 FROM counted AS c WHERE c.of_client < $8 AND c.in_all < $9
    RETURNING id
)
SELECT count(*) FROM added;

-- name: trim
-- Keep the newest changes of a client. Waiting ones always are among them, because there are few.
WITH gone AS (
    DELETE FROM trackpush.portal_changes WHERE client = $1 AND state <> 'waiting' AND id NOT IN (
        SELECT id FROM trackpush.portal_changes WHERE client = $1 ORDER BY created_at DESC, id LIMIT $2
    ) RETURNING id
) SELECT count(*) FROM gone;

-- name: waiting
-- Waiting changes, the oldest first.
SELECT id, client, namespace_uid, push_config, state, message, created_at, ended_at, content FROM trackpush.portal_changes
WHERE state = 'waiting' ORDER BY created_at, id LIMIT $1;

-- name: settle
-- End a change, and remove its content.
WITH settled AS (
    UPDATE trackpush.portal_changes SET state = $2, message = $3, ended_at = $4, content = ''
    WHERE id = $1 AND state = 'waiting' RETURNING id
) SELECT count(*) FROM settled;

-- name: one
-- A change.
SELECT id, client, namespace_uid, push_config, state, message, created_at, ended_at FROM trackpush.portal_changes WHERE id = $1;

-- name: expire
-- End changes that nobody applied.
WITH expired AS (
    UPDATE trackpush.portal_changes SET state = 'refused', message = $2, ended_at = $3, content = ''
    WHERE state = 'waiting' AND created_at < $1 RETURNING id
) SELECT count(*) FROM expired;

-- name: expires
-- Whether a change waits for too long.
SELECT 1 FROM trackpush.portal_changes WHERE state = 'waiting' AND created_at < $1 LIMIT 1;

-- name: recent
-- The newest changes of a client.
SELECT id, client, namespace_uid, push_config, state, message, created_at, ended_at FROM trackpush.portal_changes
WHERE client = $1 AND namespace_uid = $2 ORDER BY created_at DESC, id LIMIT $3;

-- name: all
-- All changes, for a copy of the journal.
SELECT id, client, namespace_uid, push_config, state, message, created_at, ended_at, content FROM trackpush.portal_changes ORDER BY id;
