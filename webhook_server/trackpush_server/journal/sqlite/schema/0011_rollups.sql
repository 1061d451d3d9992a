-- Counts by the hour, older ones by six hours: docs/overview.md. At most 55 rows for each account, PushConfig and pair of aggregator and status.
CREATE TABLE rollups (
    at        INTEGER NOT NULL,           -- start of the bucket
    subject   INTEGER NOT NULL,           -- 0 account, 1 PushConfig, 2 aggregator and status
    number    INTEGER NOT NULL,           -- in names; 0 for an aggregator and status
    label     TEXT    NOT NULL,           -- aggregator/status; otherwise empty
    received  INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    dead      INTEGER NOT NULL,
    PRIMARY KEY (at, subject, number, label)
) WITHOUT ROWID;
