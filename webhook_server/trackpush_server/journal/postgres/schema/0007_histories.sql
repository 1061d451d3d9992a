-- needs: 1
-- What tells a server that the database came back without commits that the server had seen: an asynchronous standby was promoted, or the
-- storage was rolled back. Then ids are given again that the server knows already. A history begins with each start of the database, with
-- each other database that takes its place, and when a server finds commits missing. docs/storage.md, "A database that lost commits".
CREATE TABLE trackpush.histories (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token       uuid   NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    from_id     bigint NOT NULL,         -- the last update id when it began
    incarnation text   NOT NULL,
    begun_at    bigint NOT NULL DEFAULT trackpush.now_v1()
);

-- Of the current one. In the counter's row, so that a reader gets it together with the last id.
ALTER TABLE trackpush.counter ADD COLUMN history uuid;

-- Another for each start of the server and for each database: a standby and a restored snapshot differ from what they replace.
CREATE FUNCTION trackpush.incarnation_v1() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT extract(epoch FROM pg_postmaster_start_time()) || ' ' || d.oid FROM pg_database AS d WHERE d.datname = current_database();
$$;

CREATE TYPE trackpush.resumed_v1 AS (
    history uuid,
    last_id bigint,
    lost    boolean,                     -- whether commits are missing that the caller saw
    kept_to bigint                       -- updates up to this id are surely the same
);

-- Called by each writer when it connects, before anything else. p_history and p_highest: what the writer's process saw last, null for
-- nothing; p_answered: its last batch whose answer came.
CREATE FUNCTION trackpush.resume_v1(p_replica integer, p_writer smallint, p_answered bigint, p_history uuid, p_highest bigint)
RETURNS trackpush.resumed_v1 LANGUAGE plpgsql AS $$
DECLARE
    v_counter     trackpush.counter;
    v_resumed     trackpush.resumed_v1;
    v_incarnation constant text := trackpush.incarnation_v1();
    v_known       bigint;
BEGIN
    SELECT * INTO v_counter FROM trackpush.counter FOR UPDATE;
    v_resumed.last_id := v_counter.last_id;
    v_resumed.lost := false;
    v_resumed.kept_to := v_counter.last_id;
    IF p_history IS NOT NULL THEN
        SELECT h.number INTO v_known FROM trackpush.histories AS h WHERE h.token = p_history;
        IF v_known IS NULL THEN
            v_resumed.kept_to := 0;
        ELSE
            -- Where the next history began, this one ended, however far ids have come since.
            SELECT least(min(h.from_id), v_counter.last_id) INTO v_resumed.kept_to FROM trackpush.histories AS h WHERE h.number > v_known;
        END IF;
        v_resumed.lost := v_resumed.kept_to < p_highest OR p_answered > coalesce(
            (SELECT a.batch FROM trackpush.answers AS a WHERE a.replica = p_replica AND a.writer = p_writer), 0);
    END IF;
    IF (v_resumed.lost AND p_history = v_counter.history) OR v_incarnation IS DISTINCT FROM (
        SELECT h.incarnation FROM trackpush.histories AS h WHERE h.token = v_counter.history
    ) THEN
        INSERT INTO trackpush.histories (from_id, incarnation) VALUES (v_counter.last_id, v_incarnation)
        RETURNING token INTO v_counter.history;
        UPDATE trackpush.counter SET history = v_counter.history;
    END IF;
    v_resumed.history := v_counter.history;
    RETURN v_resumed;
END $$;

-- Passes the number of a batch on, if its writer knows the current history. Otherwise nothing of the batch may be stored: its outcomes may
-- be of updates whose ids were given again. The writer is told that its connection is of no use (08003): it connects and resumes. A
-- pooler may pass its statements on to another database without a break of the connection.
CREATE FUNCTION trackpush.expect_v1(p_history uuid, p_batch bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_history uuid;
BEGIN
    SELECT c.history INTO v_history FROM trackpush.counter AS c FOR UPDATE;
    IF v_history IS DISTINCT FROM p_history OR trackpush.incarnation_v1() IS DISTINCT FROM (
        SELECT h.incarnation FROM trackpush.histories AS h WHERE h.token = v_history
    ) THEN
        RAISE EXCEPTION 'the database was restarted or replaced since the writer connected' USING ERRCODE = '08003';
    END IF;
    RETURN p_batch;
END $$;
