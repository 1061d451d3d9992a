-- When the aggregator of each account last sent an update, duplicates included: docs/silence.md. Retention deletes no row.
CREATE TABLE last_updates (
    account_id   INTEGER PRIMARY KEY,
    at           INTEGER,              -- null: it never sent one
    served_since INTEGER               -- null: it is not known
);
-- Of the newest updates only: reading all of them could take minutes.
INSERT INTO last_updates (account_id, at)
SELECT account_id, max(received_at) FROM (SELECT account_id, received_at FROM updates ORDER BY id DESC LIMIT 20000)
GROUP BY account_id;

-- When servers of this journal could receive updates; at most one row.
CREATE TABLE listening (
    until      INTEGER NOT NULL,
    pause_from INTEGER NOT NULL,
    pause_to   INTEGER NOT NULL
);
