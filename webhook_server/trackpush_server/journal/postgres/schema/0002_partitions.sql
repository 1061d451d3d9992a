-- needs: 1
-- Partitions by day. Made ahead by each server, and by an append that comes first. They are made apart and then attached, which
-- needs no lock that a reader or writer of the table would wait for.

CREATE FUNCTION trackpush.day_v1() RETURNS integer LANGUAGE sql VOLATILE
AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()) / 86400)::integer - 18262;
$$;

CREATE FUNCTION trackpush.now_v1() RETURNS bigint LANGUAGE sql VOLATILE
AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
$$;

-- Sees that there are partitions for today (or the day of the last id, if the clock went back) and this many days after it.
CREATE FUNCTION trackpush.make_partitions_v1(p_ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_counter trackpush.counter;
    v_first   integer;
    v_end     integer;
    v_tables  constant text[] := ARRAY['updates', 'pushes', 'undelivered', 'attempts'];
    v_fill    constant integer[] := ARRAY[100, 50, 100, 100];
    v_part    text;
BEGIN
    SELECT * INTO v_counter FROM trackpush.counter FOR UPDATE;
    v_first := greatest(v_counter.last_id >> 36, trackpush.day_v1());
    v_end := v_first + p_ahead + 1;
    FOR v_day IN greatest(v_counter.partitions_to, v_first) .. v_end - 1 LOOP
        FOR i IN 1 .. 4 LOOP
            v_part := format('%s_%s', v_tables[i], to_char(date '2020-01-01' + v_day, 'YYYYMMDD'));
            EXECUTE format('CREATE TABLE trackpush.%I (LIKE trackpush.%I INCLUDING ALL) WITH (fillfactor = %s)',
                v_part, v_tables[i], v_fill[i]);
            EXECUTE format('ALTER TABLE trackpush.%I ATTACH PARTITION trackpush.%I FOR VALUES FROM (%s) TO (%s)',
                v_tables[i], v_part, v_day::bigint << 36, (v_day + 1)::bigint << 36);
        END LOOP;
    END LOOP;
    IF v_end > v_counter.partitions_to THEN
        UPDATE trackpush.counter SET partitions_to = v_end;
    END IF;
    RETURN greatest(v_end, v_counter.partitions_to);
END $$;
