-- needs: 1
-- Counts by the hour, older ones by six hours: docs/overview.md. At most 55 rows for each account, PushConfig and pair of aggregator and status.
CREATE TABLE trackpush.rollups (
    at        bigint   NOT NULL,            -- start of the bucket
    subject   smallint NOT NULL,            -- 0 account, 1 PushConfig, 2 aggregator and status
    number    integer  NOT NULL,            -- of the account or PushConfig; 0 for an aggregator and status
    label     text     NOT NULL,            -- aggregator/status; otherwise empty
    received  bigint   NOT NULL,
    delivered bigint   NOT NULL,
    failed    bigint   NOT NULL,
    dead      bigint   NOT NULL,
    PRIMARY KEY (at, subject, number, label)
) WITH (fillfactor = 50);

CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.rollups EXECUTE FUNCTION trackpush.refuse_held_v1();
