-- name: pending
-- The next pages of pending pushes, each of a PushConfig after an id, and the highest id that this look could have seen: all of one
-- snapshot, one row at least for each page. Nothing of a client that another replica has bound to a newer namespace: this one still has
-- the former one's URL.
SELECT n.last_id, n.history, w.place, p.*
FROM trackpush.counter AS n
CROSS JOIN unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) WITH ORDINALITY AS w (name, after, most, uid, place)
LEFT JOIN LATERAL (
    SELECT p.update_id, u.key, a.name AS account, u.shipment, u.received_at, p.late, p.tries, p.rejections, p.due_at, u.notification,
        u.body, p.replays, coalesce(p.replayed_at, 0) AS replayed_at, p.tries_before, u.trace
    FROM (
        SELECT e.update_id, e.config_id FROM trackpush.undelivered AS e
        WHERE e.state = 0 AND e.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = w.name)
            AND e.update_id > w.after
            AND NOT EXISTS (
                SELECT FROM trackpush.tenants AS t
                WHERE t.namespace = split_part(w.name, '/', 1) AND t.current AND t.uid <> w.uid
            )
        ORDER BY e.update_id LIMIT w.most
    ) AS e
    JOIN trackpush.pushes AS p ON p.update_id = e.update_id AND p.config_id = e.config_id
    JOIN trackpush.updates AS u ON u.id = e.update_id
    JOIN trackpush.accounts AS a ON a.id = u.account_id
) AS p ON true;

-- name: fetch
-- Given pushes of a PushConfig, those that are still pending. None of a newer namespace, as in pending.
SELECT (SELECT n.last_id FROM trackpush.counter AS n) AS last_id, (SELECT n.history FROM trackpush.counter AS n) AS history,
    p.update_id, u.key, a.name AS account, u.shipment, u.received_at, p.late, p.tries, p.rejections, p.due_at, u.notification, u.body, p.replays, coalesce(p.replayed_at, 0) AS replayed_at, p.tries_before, u.trace
FROM unnest($2::bigint[]) AS w (update_id)
JOIN trackpush.pushes AS p ON p.update_id = w.update_id
    AND p.config_id = (SELECT c.id FROM trackpush.push_configs AS c WHERE c.name = $1) AND p.state = 0
JOIN trackpush.updates AS u ON u.id = w.update_id
JOIN trackpush.accounts AS a ON a.id = u.account_id
WHERE NOT EXISTS (
    SELECT FROM trackpush.tenants AS t WHERE t.namespace = split_part($1, '/', 1) AND t.current AND t.uid <> $3
);

-- name: pending_configs
-- The PushConfigs that have anything pending: from one to the next along the index, whatever the number of pushes between; and the
-- highest id that this look could have seen.
WITH RECURSIVE waiting (config_id) AS (
    (SELECT u.config_id FROM trackpush.undelivered AS u WHERE u.state = 0 ORDER BY u.config_id LIMIT 1)
    UNION ALL
    SELECT n.config_id FROM waiting AS w CROSS JOIN LATERAL (
        SELECT u.config_id FROM trackpush.undelivered AS u WHERE u.state = 0 AND u.config_id > w.config_id
        ORDER BY u.config_id LIMIT 1
    ) AS n
)
SELECT n.last_id, n.history, ARRAY(SELECT c.name FROM waiting AS w JOIN trackpush.push_configs AS c ON c.id = w.config_id) AS names
FROM trackpush.counter AS n;

-- name: pending_counts
-- The backlog of each PushConfig, and when its oldest was received.
SELECT c.name, w.count, u.received_at
FROM (
    SELECT config_id, count(*) AS count, min(update_id) AS oldest FROM trackpush.undelivered WHERE state = 0 GROUP BY config_id
) AS w
JOIN trackpush.push_configs AS c ON c.id = w.config_id
JOIN trackpush.updates AS u ON u.id = w.oldest;

-- name: push_configs
-- Every PushConfig that a push was stored of and that has one still.
SELECT c.name FROM trackpush.push_configs AS c
WHERE (  -- by this index only: by that of the updates it would be all pushes of others until the first of its own
    SELECT true FROM trackpush.pushes AS p
    WHERE (p.config_id, p.update_id) >= (c.id, 0) AND (p.config_id, p.update_id) <= (c.id, 9223372036854775807) LIMIT 1
) ORDER BY c.name;

-- name: size
-- What all tables and indexes take on the database's disk, in bytes.
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS size FROM pg_class AS c
WHERE c.relnamespace = 'trackpush'::regnamespace AND c.relkind = 'r';

-- name: erasures
-- The records, newest first.
SELECT id, subject, reason, begun_at, ended_at, updates, pushes FROM trackpush.erasures ORDER BY id DESC LIMIT $1;

-- name: lock
-- Nothing is stored, replayed or claimed until this transaction ends.
SELECT last_id FROM trackpush.counter FOR UPDATE;

-- name: audit
-- Add to the audit log.
INSERT INTO trackpush.audits (at, actor, role, action, target, address) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id;

-- name: trim_audits
-- Keep the newest.
DELETE FROM trackpush.audits WHERE id <= $1;

-- name: make_partitions
-- See to partitions for some days ahead.
SELECT trackpush.make_partitions_v1($1);

-- name: clock
-- The database's time, in seconds since the epoch.
SELECT extract(epoch FROM clock_timestamp())::double precision AS clock;
