-- needs: 1
-- The journal of DESIGN §1 in PostgreSQL. Times are milliseconds since the epoch, UTC. docs/storage.md has the why.

-- The id of an update is (days since 2020-01-01) << 36, plus its number within that day: ids grow in commit order, a day's numbers
-- have no gaps, and whatever asks by id looks into the partitions of its days only. Numbers stay exact in JSON (below 2^53).
-- The day never goes back, even if the clock does.
CREATE TABLE trackpush.counter (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    last_id       bigint  NOT NULL DEFAULT 0,
    partitions_to integer NOT NULL DEFAULT 0    -- there are partitions for the days before this one
) WITH (fillfactor = 20);
INSERT INTO trackpush.counter DEFAULT VALUES;

-- Names ("namespace/name"), so that rows carry small numbers.
CREATE TABLE trackpush.accounts (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);
CREATE TABLE trackpush.push_configs (
    id   integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text     NOT NULL UNIQUE,
    slot smallint NOT NULL                      -- crc32(name) mod 128: see journal/slots.py
);
CREATE INDEX push_configs_by_slot ON trackpush.push_configs (slot);

-- Deduplication, and the way from a push id to its update. By key over all days, so it can't be partitioned by day.
CREATE TABLE trackpush.keys (
    key       bytea  PRIMARY KEY,               -- 16 bytes: event time, then a digest of account and identity
    update_id bigint NOT NULL
);

-- What an append has to know of a shipment before it looks into any partition. The hash is of account and shipment; that two may
-- share one costs a look, no more.
CREATE TABLE trackpush.shipments (
    hash    bigint  PRIMARY KEY,
    latest  bigint,                             -- the latest event time of any of its updates
    open_id bigint  NOT NULL,                   -- none of its updates before this one is pending
    last_id bigint  NOT NULL,
    origin  integer NOT NULL                    -- the replica that stored all of them, or 0 for several
) WITH (fillfactor = 80);

CREATE TABLE trackpush.updates (
    id           bigint  PRIMARY KEY,
    received_at  bigint  NOT NULL,
    occurred_at  bigint,
    erased_at    bigint,
    account_id   integer NOT NULL,
    key          bytea   NOT NULL,
    shipment     text    NOT NULL,
    awb          text,
    forward_awb  text,
    order_id     text,
    status       text    NOT NULL,
    trace        text,
    notification bytea   NOT NULL,
    body         bytea   NOT NULL
) PARTITION BY RANGE (id);

-- A shipment's updates; search by AWB (which names the shipment where there is one), where the shipment goes by another name (returns),
-- by the AWB of the forward leg and by order. By hashes: small, and a text of any length fits.
CREATE INDEX updates_by_shipment ON trackpush.updates (hashtextextended(shipment, 0));
CREATE INDEX updates_by_awb ON trackpush.updates (hashtextextended(awb, 0)) WHERE awb IS NOT NULL AND awb <> shipment;
CREATE INDEX updates_by_forward_awb ON trackpush.updates (hashtextextended(forward_awb, 0)) WHERE forward_awb IS NOT NULL;
CREATE INDEX updates_by_order ON trackpush.updates (hashtextextended(order_id, 0)) WHERE order_id IS NOT NULL;

-- One row per (update, PushConfig), with the last attempt: nearly all pushes need one only. No index has a column that an outcome
-- changes, so the outcome's row version stays on its page and touches no index (HOT).
CREATE TABLE trackpush.pushes (
    update_id    bigint   NOT NULL,
    due_at       bigint   NOT NULL DEFAULT 0,
    ended_at     bigint,
    replayed_at  bigint,
    started_at   bigint,                        -- of attempt number `tries`; null: that one is in attempts, or there was none
    config_id    integer  NOT NULL,
    origin       integer  NOT NULL,             -- the replica that stored it
    tries        integer  NOT NULL DEFAULT 0,
    rejections   integer  NOT NULL DEFAULT 0,
    replays      integer  NOT NULL DEFAULT 0,
    tries_before integer  NOT NULL DEFAULT 0,   -- tries before the last replay
    http_status  integer,
    duration_ms  double precision,
    state        smallint NOT NULL DEFAULT 0,   -- 0 pending, 1 delivered, 2 dead, 3 dropped
    late         boolean  NOT NULL DEFAULT false,
    error        text,                          -- of the last attempt, or why it ended without one
    PRIMARY KEY (update_id, config_id)
) PARTITION BY RANGE (update_id);
CREATE INDEX pushes_by_config ON trackpush.pushes (config_id, update_id);

-- The pushes that are not delivered, by state and PushConfig in order received: the dispatcher's pages, counts, dead letters.
CREATE TABLE trackpush.undelivered (
    state     smallint NOT NULL,
    config_id integer  NOT NULL,
    update_id bigint   NOT NULL,
    PRIMARY KEY (state, config_id, update_id)
) PARTITION BY RANGE (update_id);

-- Attempts before the one that the push's own row holds.
CREATE TABLE trackpush.attempts (
    update_id   bigint  NOT NULL,
    started_at  bigint  NOT NULL,
    config_id   integer NOT NULL,
    number      integer NOT NULL,
    http_status integer,
    duration_ms double precision  NOT NULL,
    error       text,
    PRIMARY KEY (update_id, config_id, number)
) PARTITION BY RANGE (update_id);

-- That an erasure was done. subject: 'client acme' or 'awb sha256:…'.
CREATE TABLE trackpush.erasures (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject  text   NOT NULL,
    reason   text   NOT NULL,
    begun_at bigint NOT NULL,
    ended_at bigint,
    updates  bigint NOT NULL DEFAULT 0,
    pushes   bigint NOT NULL DEFAULT 0,
    days     integer[] NOT NULL DEFAULT '{}'    -- whose partitions it touched
);

-- Who asked the server to do what.
CREATE TABLE trackpush.audits (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    actor   text   NOT NULL,
    role    text   NOT NULL,
    action  text   NOT NULL,
    target  text   NOT NULL,
    address text   NOT NULL
);

-- What one replica did and others have to know: written under the counter's lock, so that numbers grow in commit order.
CREATE TABLE trackpush.news (
    id         bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin     integer  NOT NULL,
    config_id  integer,                         -- pushes of this one were made pending again; null: the updates were erased
    update_ids bigint[] NOT NULL,
    at         bigint   NOT NULL
);

-- Leases: docs/storage.md, "Leases and fencing".
CREATE TABLE trackpush.replicas (
    id       integer PRIMARY KEY,               -- drawn at each start, never 0
    beat     bigint  NOT NULL DEFAULT 0,
    name     text    NOT NULL,
    draining boolean NOT NULL DEFAULT false     -- takes no slot any more
) WITH (fillfactor = 50);
CREATE TABLE trackpush.slots (
    slot  smallint PRIMARY KEY,
    owner integer REFERENCES trackpush.replicas (id) ON DELETE SET NULL,
    epoch bigint   NOT NULL DEFAULT 0           -- grows with each change of hands
) WITH (fillfactor = 50);
CREATE INDEX slots_by_owner ON trackpush.slots (owner);
INSERT INTO trackpush.slots (slot) SELECT generate_series(0, 127);

-- The rest of a call's answer: how the updates of a batch came out, by their number in the batch, from 1.
CREATE TYPE trackpush.appended_v1 AS (
    stored        boolean,                      -- true
    first_id      bigint,                       -- of the first new one; the others follow without gaps
    duplicates    integer[],                    -- those that were there already; null: none
    late_updates  integer[],                    -- (update, PushConfig) pairs that are late,
    late_configs  integer[],
    late_dropped  boolean[],                    -- and whether they were dropped for it
    behind_update integer[],                    -- updates of whose shipment another replica stored a pending one,
    behind_id     bigint[]                      -- and the highest such id
);

-- The last answer to each of a replica's writers, so that one that was lost on the way can be asked for again.
CREATE TABLE trackpush.answers (
    replica  integer  NOT NULL,
    writer   smallint NOT NULL,
    batch    bigint   NOT NULL,
    answer   trackpush.appended_v1,             -- not `stored`: the batch was given up, and can't be stored any more
    at       bigint   NOT NULL,
    PRIMARY KEY (replica, writer)
) WITH (fillfactor = 20);
