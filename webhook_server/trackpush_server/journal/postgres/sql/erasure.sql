-- name: of_awb
-- Updates of a shipment, an AWB or the AWB of a forward leg, of one client or all, that aren't erased. Few: a shipment has tens.
SELECT u.id FROM trackpush.updates AS u JOIN trackpush.accounts AS a ON a.id = u.account_id
WHERE u.id IN (
    SELECT id FROM trackpush.updates WHERE hashtextextended(shipment, 0) = hashtextextended($1, 0) AND shipment = $1
    UNION SELECT id FROM trackpush.updates WHERE hashtextextended(awb, 0) = hashtextextended($1, 0) AND awb = $1 AND awb <> shipment
    UNION SELECT id FROM trackpush.updates WHERE hashtextextended(forward_awb, 0) = hashtextextended($1, 0) AND forward_awb = $1
)
    AND u.id > $2 AND u.erased_at IS NULL AND ($3::text IS NULL OR starts_with(a.name, $3 || '/'))
ORDER BY u.id;

-- name: next_ids
-- A range of all updates: there is no index by client, and erasures of a client are rare.
SELECT u.id, u.erased_at IS NULL AND starts_with(a.name, $3 || '/') AS wanted
FROM (SELECT id, account_id, erased_at FROM trackpush.updates WHERE id > $1 ORDER BY id LIMIT $2) AS u
JOIN trackpush.accounts AS a ON a.id = u.account_id ORDER BY u.id;

-- name: begin
-- Write down that an erasure has begun.
INSERT INTO trackpush.erasures (subject, reason, begun_at) VALUES ($1, $2, $3) RETURNING id;

-- name: erase
-- Blank updates and attempts, drop pending pushes, count both, tell the others. Under the counter's lock.
WITH chosen AS MATERIALIZED (
    SELECT u.id FROM unnest($2::bigint[]) AS w (id) JOIN trackpush.updates AS u ON u.id = w.id
    WHERE u.erased_at IS NULL
), blanked AS (
    UPDATE trackpush.updates AS u SET shipment = '', awb = NULL, forward_awb = NULL, order_id = NULL, trace = NULL, notification = '',
        body = '', erased_at = $3
    FROM chosen AS n WHERE u.id = n.id RETURNING u.id
), dropped AS (
    UPDATE trackpush.pushes AS p SET state = CASE p.state WHEN 0 THEN 3 ELSE p.state END, due_at = 0,
        ended_at = coalesce(p.ended_at, $3), error = CASE p.state WHEN 0 THEN 'erased before it was delivered' END
    FROM chosen AS n WHERE p.update_id = n.id RETURNING p.update_id, p.config_id
), moved AS (
    UPDATE trackpush.undelivered AS w SET state = 3 FROM dropped AS n
    WHERE w.state = 0 AND w.config_id = n.config_id AND w.update_id = n.update_id
), attempts AS (
    UPDATE trackpush.attempts AS a SET error = NULL FROM chosen AS n WHERE a.update_id = n.id AND a.error IS NOT NULL
), told AS (
    INSERT INTO trackpush.news (origin, update_ids, at)
    SELECT $4, array_agg(b.id), trackpush.now_v1() FROM blanked AS b HAVING count(*) > 0
), counted AS (
    UPDATE trackpush.erasures AS e SET updates = e.updates + (SELECT count(*) FROM blanked),
        pushes = e.pushes + (SELECT count(*) FROM dropped),
        days = ARRAY(SELECT unnest(e.days) UNION SELECT (b.id >> 36)::integer FROM blanked AS b)
    WHERE e.id = $1
)
SELECT count(*) AS erased FROM blanked;

-- name: end
-- Write down that it is done.
UPDATE trackpush.erasures SET ended_at = $2 WHERE id = $1;

-- name: tables
-- The partitions that an erasure touched, and the inbox.
SELECT format('trackpush.%I', c.relname) AS name
FROM trackpush.erasures AS e CROSS JOIN unnest(e.days) AS d (day)
CROSS JOIN unnest(ARRAY['updates', 'pushes', 'undelivered', 'attempts']) AS t (name)
JOIN pg_class AS c ON c.relnamespace = 'trackpush'::regnamespace
    AND c.relname = format('%s_%s', t.name, to_char(date '2020-01-01' + d.day, 'YYYYMMDD'))
WHERE e.id = $1
UNION ALL SELECT 'trackpush.unrecognised' ORDER BY 1;

-- name: horizon
-- The number of this transaction.
SELECT pg_current_xact_id()::text AS number;

-- name: passed
-- Whether nobody can see any more what was there at the time of a transaction.
SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8 AS passed;

-- name: all_tables
-- Every table that holds content of updates or bodies.
SELECT format('trackpush.%I', c.relname) AS name
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent IN ('trackpush.updates'::regclass, 'trackpush.pushes'::regclass, 'trackpush.attempts'::regclass)
UNION ALL SELECT 'trackpush.unrecognised' ORDER BY 1;
