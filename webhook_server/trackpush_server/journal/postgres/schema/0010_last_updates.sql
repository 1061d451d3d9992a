-- needs: 1
-- When the aggregator of each account last sent an update, duplicates included: docs/silence.md. Retention deletes no row.
CREATE TABLE trackpush.last_updates (
    account_id   integer PRIMARY KEY,
    at           bigint,                        -- null: it never sent one
    served_since bigint                         -- null: it is not known
) WITH (fillfactor = 50);
-- Of the newest updates only: reading all of them could take minutes.
INSERT INTO trackpush.last_updates (account_id, at)
SELECT n.account_id, max(n.received_at)
FROM (SELECT u.account_id, u.received_at FROM trackpush.updates AS u ORDER BY u.id DESC LIMIT 20000) AS n
GROUP BY n.account_id;

-- When servers of this journal could receive updates.
CREATE TABLE trackpush.listening (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    until      bigint NOT NULL,
    pause_from bigint NOT NULL,
    pause_to   bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.last_updates EXECUTE FUNCTION trackpush.refuse_held_v1();
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.listening EXECUTE FUNCTION trackpush.refuse_held_v1();

-- Stores when the last update of each of these accounts arrived. Called in the statement of an append, after it, under the counter's
-- lock. A time after now is from a clock that was wrong.
CREATE FUNCTION trackpush.arrived_v1(p_account integer[], p_at bigint[]) RETURNS boolean LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
BEGIN
    IF cardinality(p_account) > 0 THEN
        INSERT INTO trackpush.last_updates AS l (account_id, at) SELECT unnest(p_account), unnest(p_at)
        ON CONFLICT (account_id) DO UPDATE SET
            at = CASE WHEN l.at > trackpush.now_v1() THEN excluded.at ELSE greatest(l.at, excluded.at) END;
    END IF;
    RETURN true;
END $$;
