-- needs: 1
-- One call stores what gathered at a replica while its last call ran: new updates with their pushes, and outcomes. All of it under the
-- counter's lock, so over all replicas ids are given in commit order, and no claim of a slot comes in between.

-- Plans are made once and without statistics, as tables grow from nothing under a running server: always by index.
CREATE FUNCTION trackpush.append_v1(
    p_replica integer,           -- who stores
    p_fenced  boolean,           -- whether replicas share the database: then outcomes count only from a slot's owner
    p_writer  smallint,          -- which of its writers
    p_batch   bigint,            -- grows with each of this writer's calls
    -- Updates, in the order received, no key twice.
    u_key bytea[], u_account integer[], u_received bigint[], u_occurred bigint[], u_shipment text[], u_awb text[],
    u_forward_awb text[], u_order text[], u_status text[], u_trace text[], u_notification bytea[], u_body bytea[],
    -- Pushes, in the order of their updates: number of the update in the batch, from 1; PushConfig; whether a late one is dropped.
    p_update integer[], p_config integer[], p_drop_late boolean[],
    -- Outcomes, no push twice.
    o_update bigint[], o_config integer[], o_state smallint[], o_tries integer[], o_rejections integer[], o_due bigint[],
    o_started bigint[], o_duration double precision[], o_http_status integer[], o_error text[],
    -- Attempts of the same batch before the ones that came to those outcomes.
    a_update bigint[], a_config integer[], a_number integer[], a_started bigint[], a_duration double precision[], a_http_status integer[],
    a_error text[]
) RETURNS trackpush.appended_v1 LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    v_counter trackpush.counter;
    v_answer  trackpush.appended_v1;
    v_now     bigint := trackpush.now_v1();
    v_ids     bigint[];          -- by number in the batch; null for duplicates
    v_count   integer;
    v_late    integer[];         -- numbers of updates that may be late
    v_mixed   integer[];         -- numbers of updates of whose shipment others stored some
    v_owner   record;
BEGIN
    SELECT * INTO v_counter FROM trackpush.counter FOR UPDATE;

    IF cardinality(u_key) > 0 THEN
        v_answer.first_id := greatest(v_counter.last_id, greatest(v_counter.last_id >> 36, trackpush.day_v1())::bigint << 36) + 1;
        IF (v_answer.first_id + cardinality(u_key)) >> 36 >= v_counter.partitions_to THEN
            PERFORM trackpush.make_partitions_v1(1);
        END IF;

        SELECT array_agg(CASE WHEN f.fresh THEN v_answer.first_id - 1 + f.nth END ORDER BY f.i), count(*) FILTER (WHERE f.fresh),
            array_agg(f.i ORDER BY f.i) FILTER (WHERE NOT f.fresh)
        INTO v_ids, v_count, v_answer.duplicates
        FROM (
            SELECT k.i, d.key IS NULL AS fresh, count(*) FILTER (WHERE d.key IS NULL) OVER (ORDER BY k.i) AS nth
            FROM unnest(u_key) WITH ORDINALITY AS k (key, i) LEFT JOIN trackpush.keys AS d ON d.key = k.key
        ) AS f;

        IF v_count > 0 THEN
            UPDATE trackpush.counter SET last_id = v_answer.first_id + v_count - 1;

            INSERT INTO trackpush.keys (key, update_id)
            SELECT n.key, n.id FROM (SELECT unnest(u_key) AS key, unnest(v_ids) AS id) AS n WHERE n.id IS NOT NULL;

            INSERT INTO trackpush.updates (id, key, account_id, received_at, occurred_at, shipment, awb, forward_awb, order_id,
                status, trace, notification, body)
            SELECT * FROM (
                SELECT unnest(v_ids) AS id, unnest(u_key), unnest(u_account), unnest(u_received), unnest(u_occurred),
                    unnest(u_shipment), unnest(u_awb), unnest(u_forward_awb), unnest(u_order), unnest(u_status), unnest(u_trace),
                    unnest(u_notification), unnest(u_body)
            ) AS n WHERE n.id IS NOT NULL;

            -- Of each shipment one row: it tells which updates need a look at others of their shipment at all.
            WITH fresh AS MATERIALIZED (
                SELECT n.i, n.id, n.occurred_at, hashtextextended(n.shipment, n.account_id) AS hash
                FROM (
                    SELECT generate_series(1, cardinality(v_ids)) AS i, unnest(v_ids) AS id, unnest(u_occurred) AS occurred_at,
                        unnest(u_shipment) AS shipment, unnest(u_account) AS account_id
                ) AS n WHERE n.id IS NOT NULL
            ), noted AS (
                INSERT INTO trackpush.shipments AS s (hash, latest, open_id, last_id, origin)
                SELECT f.hash, max(f.occurred_at), min(f.id), max(f.id), p_replica FROM fresh AS f GROUP BY f.hash
                ON CONFLICT (hash) DO UPDATE SET latest = greatest(s.latest, excluded.latest), last_id = excluded.last_id,
                    origin = CASE WHEN s.origin = excluded.origin THEN s.origin ELSE 0 END
            ), before AS (
                SELECT f.i, s.origin, f.occurred_at < greatest(s.latest, max(f.occurred_at) OVER (
                    PARTITION BY f.hash ORDER BY f.i ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS may_be_late
                FROM fresh AS f LEFT JOIN trackpush.shipments AS s ON s.hash = f.hash
            )
            SELECT array_agg(b.i ORDER BY b.i) FILTER (WHERE b.may_be_late),
                array_agg(b.i) FILTER (WHERE p_fenced AND b.origin <> p_replica)
            INTO v_late, v_mixed FROM before AS b;

            IF v_mixed IS NOT NULL THEN
                WITH asked AS (
                    SELECT i, v_ids[i] AS id, u_shipment[i] AS shipment, u_account[i] AS account_id, s.hash, s.open_id
                    FROM unnest(v_mixed) AS i JOIN trackpush.shipments AS s ON s.hash = hashtextextended(u_shipment[i], u_account[i])
                ), found AS MATERIALIZED (
                    SELECT a.i, a.id, a.hash, o.lowest, o.highest_of_others
                    FROM asked AS a CROSS JOIN LATERAL (
                        SELECT min(e.id) AS lowest, max(e.id) FILTER (WHERE p.origin <> p_replica) AS highest_of_others
                        FROM trackpush.updates AS e JOIN trackpush.pushes AS p ON p.update_id = e.id AND p.state = 0
                        WHERE hashtextextended(e.shipment, 0) = hashtextextended(a.shipment, 0)
                            AND e.shipment = a.shipment AND e.account_id = a.account_id AND e.id >= a.open_id AND e.id < a.id
                    ) AS o
                ), moved AS (
                    UPDATE trackpush.shipments AS s SET open_id = m.open_id
                    FROM (SELECT f.hash, min(coalesce(f.lowest, f.id)) AS open_id FROM found AS f GROUP BY f.hash) AS m
                    WHERE s.hash = m.hash AND s.open_id < m.open_id
                )
                SELECT array_agg(f.i ORDER BY f.i), array_agg(f.highest_of_others ORDER BY f.i)
                INTO v_answer.behind_update, v_answer.behind_id
                FROM found AS f WHERE f.highest_of_others IS NOT NULL;
            END IF;

            WITH stored AS (
                INSERT INTO trackpush.pushes (update_id, config_id, origin)
                SELECT n.id, n.config_id, p_replica
                FROM (SELECT v_ids[u] AS id, c AS config_id, u FROM unnest(p_update, p_config) AS n (u, c)) AS n
                WHERE n.id IS NOT NULL AND (v_late IS NULL OR n.u <> ALL (v_late))
                RETURNING config_id, update_id
            )
            INSERT INTO trackpush.undelivered (state, config_id, update_id) SELECT 0, s.config_id, s.update_id FROM stored AS s;

            IF v_late IS NOT NULL THEN
                SELECT l.updates, l.configs, l.dropped INTO v_answer.late_updates, v_answer.late_configs, v_answer.late_dropped
                FROM trackpush.store_late_v1(p_replica, v_late, v_ids, u_shipment, u_account, u_occurred, p_update, p_config,
                    p_drop_late) AS l;
            END IF;

            IF p_fenced THEN
                FOR v_owner IN
                    SELECT DISTINCT s.owner
                    FROM (SELECT DISTINCT c AS config_id FROM unnest(p_config) AS c) AS n
                    JOIN trackpush.push_configs AS c ON c.id = n.config_id
                    JOIN trackpush.slots AS s ON s.slot = c.slot
                    WHERE s.owner <> p_replica
                LOOP
                    PERFORM pg_notify('trackpush_' || v_owner.owner, '');
                END LOOP;
            END IF;
        END IF;
    END IF;

    IF cardinality(o_update) > 0 THEN
        PERFORM trackpush.apply_v1(p_replica, p_fenced, v_now, o_update, o_config, o_state, o_tries, o_rejections, o_due, o_started,
            o_duration, o_http_status, o_error);
    END IF;
    IF cardinality(a_update) > 0 THEN
        INSERT INTO trackpush.attempts AS a (update_id, config_id, number, started_at, duration_ms, http_status, error)
        SELECT n.update_id, n.config_id, n.number, n.started_at, n.duration_ms, n.http_status, n.error
        FROM unnest(a_update, a_config, a_number, a_started, a_duration, a_http_status, a_error)
            AS n (update_id, config_id, number, started_at, duration_ms, http_status, error)
        WHERE EXISTS (SELECT FROM trackpush.pushes AS p WHERE p.update_id = n.update_id AND p.config_id = n.config_id)
        ON CONFLICT (update_id, config_id, number) DO UPDATE SET started_at = excluded.started_at,
            duration_ms = excluded.duration_ms, http_status = excluded.http_status, error = excluded.error;
    END IF;

    v_answer.stored := true;
    UPDATE trackpush.answers AS a SET batch = p_batch, answer = v_answer, at = v_now
    WHERE a.replica = p_replica AND a.writer = p_writer AND a.batch < p_batch;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'batch % of writer % of replica % was given up', p_batch, p_writer, p_replica
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN v_answer;
END $$;

-- Pushes of updates that are older than another of their shipment: one by one, as an earlier one counts for a later one. Late for a
-- PushConfig is what comes after a newer one that went, or will go, there.
CREATE FUNCTION trackpush.store_late_v1(
    p_replica integer, p_late integer[], p_ids bigint[], u_shipment text[], u_account integer[], u_occurred bigint[],
    p_update integer[], p_config integer[], p_drop_late boolean[],
    OUT updates integer[], OUT configs integer[], OUT dropped boolean[]
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    v_push  record;
    v_late  boolean;
    v_state smallint;
BEGIN
    FOR v_push IN
        SELECT n.u, p_ids[n.u] AS id, n.c AS config_id, n.d AS drop_late
        FROM unnest(p_update, p_config, p_drop_late) WITH ORDINALITY AS n (u, c, d, i) WHERE n.u = ANY (p_late) ORDER BY n.i
    LOOP
        v_late := EXISTS (
            SELECT FROM trackpush.updates AS e JOIN trackpush.pushes AS p
                ON p.update_id = e.id AND p.config_id = v_push.config_id AND p.state <> 3
            WHERE hashtextextended(e.shipment, 0) = hashtextextended(u_shipment[v_push.u], 0)
                AND e.shipment = u_shipment[v_push.u] AND e.account_id = u_account[v_push.u] AND e.id < v_push.id
                AND e.occurred_at > u_occurred[v_push.u]
        );
        v_state := CASE WHEN v_late AND v_push.drop_late THEN 3 ELSE 0 END;
        INSERT INTO trackpush.pushes (update_id, config_id, origin, state, late)
        VALUES (v_push.id, v_push.config_id, p_replica, v_state, v_late);
        INSERT INTO trackpush.undelivered (state, config_id, update_id) VALUES (v_state, v_push.config_id, v_push.id);
        IF v_late THEN
            updates := updates || v_push.u;
            configs := configs || v_push.config_id;
            dropped := dropped || (v_state = 3);
        END IF;
    END LOOP;
END $$;

-- Outcomes. Only a pending push takes one, and no earlier one after a later one. From another than the slot's owner only that
-- it was delivered counts: that is a fact, whoever says so.
CREATE FUNCTION trackpush.apply_v1(
    p_replica integer, p_fenced boolean, p_now bigint, o_update bigint[], o_config integer[], o_state smallint[], o_tries integer[],
    o_rejections integer[], o_due bigint[], o_started bigint[], o_duration double precision[], o_http_status integer[], o_error text[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    v_foreign integer[];         -- PushConfigs that are not ours
    v_day     bigint;
    v_date    text;
BEGIN
    IF p_fenced THEN
        SELECT array_agg(n.config_id) INTO v_foreign
        FROM (SELECT DISTINCT c AS config_id FROM unnest(o_config) AS c) AS n
        JOIN trackpush.push_configs AS c ON c.id = n.config_id
        JOIN trackpush.slots AS s ON s.slot = c.slot
        WHERE s.owner IS DISTINCT FROM p_replica;
    END IF;

    IF EXISTS (SELECT FROM unnest(o_tries, o_started) AS n (tries, started_at) WHERE n.tries > 1 OR n.started_at IS NULL) THEN
        -- The attempt that the push's row holds gives way to a later one, or to an end without one.
        INSERT INTO trackpush.attempts AS a (update_id, config_id, number, started_at, duration_ms, http_status, error)
        SELECT p.update_id, p.config_id, p.tries, p.started_at, p.duration_ms, p.http_status, p.error
        FROM unnest(o_update, o_config, o_state, o_tries, o_started) AS n (update_id, config_id, state, tries, started_at)
        JOIN trackpush.pushes AS p ON p.update_id = n.update_id AND p.config_id = n.config_id AND p.started_at IS NOT NULL
        WHERE p.state = 0 AND (p.tries < n.tries OR n.started_at IS NULL)
            AND (n.state = 1 OR v_foreign IS NULL OR n.config_id <> ALL (v_foreign))
        ON CONFLICT (update_id, config_id, number) DO UPDATE SET started_at = excluded.started_at,
            duration_ms = excluded.duration_ms, http_status = excluded.http_status, error = excluded.error;
    END IF;

    -- Day by day and by its partitions' own names: a plan for all days would lock and open each of them.
    FOR v_day IN SELECT DISTINCT u >> 36 FROM unnest(o_update) AS u WHERE u >> 36 < 100000 LOOP
        v_date := to_char(date '2020-01-01' + v_day::integer, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('trackpush.pushes_' || v_date) IS NULL;
        EXECUTE format($day$
            WITH applied AS (
                UPDATE trackpush.pushes_%1$s AS p SET state = n.state, tries = n.tries, rejections = n.rejections,
                    due_at = n.due_at, ended_at = CASE WHEN n.state <> 0 THEN $1 END, started_at = n.started_at,
                    duration_ms = n.duration_ms, http_status = n.http_status, error = n.error
                FROM (
                    SELECT unnest($4) AS update_id, unnest($5) AS config_id, unnest($6) AS state, unnest($7) AS tries,
                        unnest($8) AS rejections, unnest($9) AS due_at, unnest($10) AS started_at, unnest($11) AS duration_ms,
                        unnest($12) AS http_status, unnest($13) AS error
                ) AS n
                WHERE p.update_id = n.update_id AND p.config_id = n.config_id AND p.state = 0 AND p.tries <= n.tries
                    AND n.update_id >> 36 = $2 AND (n.state = 1 OR $3 IS NULL OR n.config_id <> ALL ($3))
                RETURNING p.update_id, p.config_id, p.state
            ), moved AS (
                UPDATE trackpush.undelivered_%1$s AS u SET state = d.state FROM applied AS d
                WHERE d.state > 1 AND u.state = 0 AND u.config_id = d.config_id AND u.update_id = d.update_id
            )
            DELETE FROM trackpush.undelivered_%1$s AS u USING applied AS d
            WHERE d.state = 1 AND u.state = 0 AND u.config_id = d.config_id AND u.update_id = d.update_id
        $day$, v_date)
        USING p_now, v_day, v_foreign, o_update, o_config, o_state, o_tries, o_rejections, o_due, o_started, o_duration,
            o_http_status, o_error;
    END LOOP;
END $$;

-- How a batch came out whose answer was lost. One that isn't stored is given up for good: if its call still waits somewhere on the way,
-- it fails. Not `stored`: it isn't. Also makes the writer known, before its first batch.
CREATE FUNCTION trackpush.settle_v1(p_replica integer, p_writer smallint, p_batch bigint)
RETURNS trackpush.appended_v1 LANGUAGE plpgsql AS $$
DECLARE
    v_found trackpush.answers;
BEGIN
    PERFORM FROM trackpush.counter FOR UPDATE;
    SELECT * INTO v_found FROM trackpush.answers AS a WHERE a.replica = p_replica AND a.writer = p_writer;
    IF v_found.batch = p_batch THEN
        RETURN v_found.answer;
    END IF;
    INSERT INTO trackpush.answers AS a (replica, writer, batch, answer, at)
    VALUES (p_replica, p_writer, p_batch, NULL, trackpush.now_v1())
    ON CONFLICT (replica, writer) DO UPDATE SET batch = excluded.batch, answer = NULL, at = excluded.at
    WHERE a.batch < excluded.batch;
    RETURN NULL;
END $$;
