-- needs: 1
-- Moving the journal to another store, `trackpush journal copy`: docs/move-storage.md.

-- Which journal this is, where its content came from and where it went.
CREATE TABLE trackpush.journal (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    id             text NOT NULL DEFAULT gen_random_uuid()::text,
    copied_from    text,                        -- the journal whose content was copied into this one
    moved_to       text,                        -- the journal that holds the content now; null: this one does
    moved_to_place text                         -- where that is, for people
);
INSERT INTO trackpush.journal DEFAULT VALUES;

-- The mark is a row of schema_changes that no version knows: with it no server, of whatever version, starts on this journal. Why not,
-- for people; null: no mark.
CREATE FUNCTION trackpush.held_v1() RETURNS text LANGUAGE plpgsql VOLATILE
SET enable_seqscan = on
AS $$
DECLARE
    v_mark  text;
    v_place text;
BEGIN
    SELECT c.name INTO v_mark FROM trackpush.schema_changes AS c WHERE c.number = 2000000000;
    IF v_mark IS NULL THEN
        RETURN NULL;
    END IF;
    IF v_mark = 'copying' THEN
        RETURN 'a copy into it is not finished: run trackpush journal copy again, then start the server';
    END IF;
    SELECT j.moved_to_place INTO v_place FROM trackpush.journal AS j;
    RETURN format('its journal was moved to %s: set spec.storage to that, or end this server', coalesce(v_place, 'another place'));
END $$;

-- A server that is connected already, or was paused, reads the mark with everything that it writes: each append and each outcome writes
-- to answers, each heartbeat to replicas, each claim to slots, each replay and erasure to news. `journal copy` holds locks on these
-- tables until the mark is committed, so nothing comes in between. Its own sessions set trackpush.copies.
CREATE FUNCTION trackpush.refuse_held_v1() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_reason text := trackpush.held_v1();
BEGIN
    IF v_reason IS NOT NULL AND current_setting('trackpush.copies', true) IS DISTINCT FROM 'yes' THEN
        RAISE EXCEPTION USING MESSAGE = v_reason, ERRCODE = 'TP001';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.answers EXECUTE FUNCTION trackpush.refuse_held_v1();
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.replicas EXECUTE FUNCTION trackpush.refuse_held_v1();
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.slots EXECUTE FUNCTION trackpush.refuse_held_v1();
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.news EXECUTE FUNCTION trackpush.refuse_held_v1();
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.erasures EXECUTE FUNCTION trackpush.refuse_held_v1();
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.audits EXECUTE FUNCTION trackpush.refuse_held_v1();
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.unrecognised EXECUTE FUNCTION trackpush.refuse_held_v1();

-- The four partitions of a day, unless they are there. Also of days before today, for a copy.
CREATE FUNCTION trackpush.make_partition_v1(p_day integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_tables constant text[] := ARRAY['updates', 'pushes', 'undelivered', 'attempts'];
    v_fill   constant integer[] := ARRAY[100, 50, 100, 100];
    v_part   text;
BEGIN
    FOR i IN 1 .. 4 LOOP
        v_part := format('%s_%s', v_tables[i], to_char(date '2020-01-01' + p_day, 'YYYYMMDD'));
        CONTINUE WHEN to_regclass(format('trackpush.%I', v_part)) IS NOT NULL;
        EXECUTE format('CREATE TABLE trackpush.%I (LIKE trackpush.%I INCLUDING ALL) WITH (fillfactor = %s)',
            v_part, v_tables[i], v_fill[i]);
        EXECUTE format('ALTER TABLE trackpush.%I ATTACH PARTITION trackpush.%I FOR VALUES FROM (%s) TO (%s)',
            v_tables[i], v_part, p_day::bigint << 36, (p_day + 1)::bigint << 36);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION trackpush.make_partitions_v1(p_ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_counter trackpush.counter;
    v_first   integer;
    v_end     integer;
BEGIN
    SELECT * INTO v_counter FROM trackpush.counter FOR UPDATE;
    v_first := greatest(v_counter.last_id >> 36, trackpush.day_v1());
    v_end := v_first + p_ahead + 1;
    FOR v_day IN greatest(v_counter.partitions_to, v_first) .. v_end - 1 LOOP
        PERFORM trackpush.make_partition_v1(v_day);
    END LOOP;
    IF v_end > v_counter.partitions_to THEN
        UPDATE trackpush.counter SET partitions_to = v_end;
    END IF;
    RETURN greatest(v_end, v_counter.partitions_to);
END $$;
