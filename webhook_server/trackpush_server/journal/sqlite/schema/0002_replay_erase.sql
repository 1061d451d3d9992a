-- Replay: a push that has ended becomes pending again. Retries and maxAge then count from the replay.
ALTER TABLE pushes ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pushes ADD COLUMN replayed_at INTEGER;
ALTER TABLE pushes ADD COLUMN tries_before INTEGER NOT NULL DEFAULT 0;   -- tries before the last replay

-- Erasure: the row stays, so that a repeat is recognised; what tells of a person is gone.
ALTER TABLE updates ADD COLUMN erased_at INTEGER;

-- That it was done. subject: 'client acme' or 'awb sha256:…'.
CREATE TABLE erasures (
    id        INTEGER PRIMARY KEY,
    subject   TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    begun_at  INTEGER NOT NULL,
    ended_at  INTEGER,
    updates   INTEGER NOT NULL DEFAULT 0,
    pushes    INTEGER NOT NULL DEFAULT 0
);
