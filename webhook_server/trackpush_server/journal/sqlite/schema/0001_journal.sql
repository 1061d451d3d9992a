-- The journal of DESIGN §1: tracking updates, pushes, attempts. Times are milliseconds since the epoch, UTC.

-- Names of accounts and PushConfigs ("namespace/name"), so that rows carry small numbers.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- One row per tracking update; id is the order received.
CREATE TABLE updates (
    id           INTEGER PRIMARY KEY,
    key          BLOB    NOT NULL,   -- 16 bytes: event time, then a digest of account and identity
    account_id   INTEGER NOT NULL,
    received_at  INTEGER NOT NULL,
    occurred_at  INTEGER,
    shipment     TEXT    NOT NULL,
    awb          TEXT,
    forward_awb  TEXT,
    order_id     TEXT,
    status       TEXT    NOT NULL,
    notification BLOB    NOT NULL,
    body         BLOB    NOT NULL
);

-- Deduplication. The key starts with the event time, so inserts stay near the end of the tree.
CREATE UNIQUE INDEX updates_by_key ON updates (key);

-- Lateness (is there a later event of this shipment?) and search by AWB, which names the shipment where there is one.
CREATE INDEX updates_by_shipment ON updates (shipment, account_id, occurred_at);

-- Search by AWB where the shipment goes by another name (returns), and by the AWB of the forward leg.
CREATE INDEX updates_by_awb ON updates (awb) WHERE awb IS NOT NULL AND awb <> shipment;
CREATE INDEX updates_by_forward_awb ON updates (forward_awb) WHERE forward_awb IS NOT NULL;

-- One row per (update, PushConfig).
CREATE TABLE pushes (
    update_id  INTEGER NOT NULL,
    config_id  INTEGER NOT NULL,
    state      INTEGER NOT NULL DEFAULT 0,   -- 0 pending, 1 delivered, 2 dead, 3 dropped
    late       INTEGER NOT NULL DEFAULT 0,
    tries      INTEGER NOT NULL DEFAULT 0,
    rejections INTEGER NOT NULL DEFAULT 0,
    due_at     INTEGER NOT NULL DEFAULT 0,
    ended_at   INTEGER,
    error      TEXT,                          -- of the last attempt, or why it ended without one
    PRIMARY KEY (update_id, config_id)
) WITHOUT ROWID;

-- Per state and PushConfig, in order received: the dispatcher's pages of pending pushes, counts, and people's lists.
CREATE INDEX pushes_by_state ON pushes (state, config_id, update_id);

-- One row per HTTP try.
CREATE TABLE attempts (
    update_id   INTEGER NOT NULL,
    config_id   INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    duration_ms REAL    NOT NULL,
    http_status INTEGER,
    error       TEXT,
    PRIMARY KEY (update_id, config_id, number)
) WITHOUT ROWID;
