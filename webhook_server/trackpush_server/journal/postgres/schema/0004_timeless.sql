-- needs: 1
-- Updates without a time. Their keys are unique, so append_v1 would store each; here those that repeat the last update of their shipment
-- are left out first. Called for batches that hold such an update only.

CREATE FUNCTION trackpush.append_timeless_v1(
    p_replica integer, p_fenced boolean, p_writer smallint, p_batch bigint,
    u_key bytea[], u_account integer[], u_received bigint[], u_occurred bigint[], u_shipment text[], u_awb text[],
    u_forward_awb text[], u_order text[], u_status text[], u_trace text[], u_notification bytea[], u_body bytea[],
    p_update integer[], p_config integer[], p_drop_late boolean[],
    o_update bigint[], o_config integer[], o_state smallint[], o_tries integer[], o_rejections integer[], o_due bigint[],
    o_started bigint[], o_duration double precision[], o_http_status integer[], o_error text[],
    a_update bigint[], a_config integer[], a_number integer[], a_started bigint[], a_duration double precision[], a_http_status integer[],
    a_error text[],
    u_timeless boolean[]         -- whether the update has no time
) RETURNS trackpush.appended_v1 LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    v_answer  trackpush.appended_v1;
    v_repeats integer[];         -- numbers of updates that repeat the last one of their shipment
    v_kept    integer[];         -- numbers of the others
    v_place   integer[];         -- by number: its place in v_kept
    v_pushes  integer[];         -- places of the pushes of the others
BEGIN
    PERFORM FROM trackpush.counter FOR UPDATE;

    -- Each is compared with the one before it, in the batch or stored: if that one is a repeat itself, it equals the last that is kept.
    -- Bytes 5 to 10 of a key tell what was reported, and of which shipment.
    SELECT array_agg(c.i) INTO v_repeats
    FROM (
        SELECT n.i, n.timeless, n.shipment, n.account_id, substr(n.key, 6, 6) AS identity,
            substr(lag(n.key) OVER (PARTITION BY n.account_id, n.shipment ORDER BY n.i), 6, 6) AS before
        FROM (
            SELECT generate_series(1, cardinality(u_key)) AS i, unnest(u_key) AS key, unnest(u_account) AS account_id,
                unnest(u_shipment) AS shipment, unnest(u_timeless) AS timeless
        ) AS n LEFT JOIN trackpush.keys AS d ON d.key = n.key
        WHERE d.key IS NULL
    ) AS c
    WHERE c.timeless AND c.identity = coalesce(c.before, (
        SELECT substr(u.key, 6, 6) FROM trackpush.shipments AS s JOIN trackpush.updates AS u ON u.id = s.last_id
        WHERE s.hash = hashtextextended(c.shipment, c.account_id)
    ));

    IF v_repeats IS NULL THEN
        RETURN trackpush.append_v1(p_replica, p_fenced, p_writer, p_batch, u_key, u_account, u_received, u_occurred, u_shipment, u_awb,
            u_forward_awb, u_order, u_status, u_trace, u_notification, u_body, p_update, p_config, p_drop_late, o_update, o_config,
            o_state, o_tries, o_rejections, o_due, o_started, o_duration, o_http_status, o_error, a_update, a_config, a_number, a_started,
            a_duration, a_http_status, a_error);
    END IF;

    v_kept := ARRAY(SELECT i FROM generate_series(1, cardinality(u_key)) AS i WHERE i <> ALL (v_repeats) ORDER BY i);
    v_place := ARRAY(
        SELECT (count(*) FILTER (WHERE i <> ALL (v_repeats)) OVER (ORDER BY i))::integer
        FROM generate_series(1, cardinality(u_key)) AS i ORDER BY i
    );
    v_pushes := ARRAY(SELECT p.i FROM unnest(p_update) WITH ORDINALITY AS p (u, i) WHERE p.u <> ALL (v_repeats) ORDER BY p.i);

    v_answer := trackpush.append_v1(p_replica, p_fenced, p_writer, p_batch,
        ARRAY(SELECT u_key[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_account[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_received[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_occurred[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_shipment[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_awb[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_forward_awb[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_order[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_status[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_trace[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_notification[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT u_body[k] FROM unnest(v_kept) AS k ORDER BY k),
        ARRAY(SELECT v_place[p_update[p]] FROM unnest(v_pushes) AS p ORDER BY p),
        ARRAY(SELECT p_config[p] FROM unnest(v_pushes) AS p ORDER BY p),
        ARRAY(SELECT p_drop_late[p] FROM unnest(v_pushes) AS p ORDER BY p),
        o_update, o_config, o_state, o_tries, o_rejections, o_due, o_started, o_duration, o_http_status, o_error, a_update, a_config,
        a_number, a_started, a_duration, a_http_status, a_error);

    -- The caller's numbers again.
    v_answer.duplicates := v_repeats || ARRAY(SELECT v_kept[n] FROM unnest(v_answer.duplicates) AS n);
    v_answer.late_updates := ARRAY(SELECT v_kept[l.n] FROM unnest(v_answer.late_updates) WITH ORDINALITY AS l (n, i) ORDER BY l.i);
    v_answer.behind_update := ARRAY(SELECT v_kept[b.n] FROM unnest(v_answer.behind_update) WITH ORDINALITY AS b (n, i) ORDER BY b.i);
    UPDATE trackpush.answers AS a SET answer = v_answer WHERE a.replica = p_replica AND a.writer = p_writer;
    RETURN v_answer;
END $$;
