-- Messages to people about endpoints and accounts: docs/notifications.md, journal/announcements.py.

-- What was announced to each target about each subject.
CREATE TABLE announced (
    target     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,      -- kind of resource
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,      -- one more with each change
    tenant     TEXT    NOT NULL,      -- UID of its namespace; empty: unknown
    kind       TEXT    NOT NULL,      -- of the problem that has not ended; empty: none
    since      INTEGER NOT NULL,
    total      INTEGER NOT NULL,      -- of subject_totals
    counted_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (target, subject, name)
) WITHOUT ROWID;

-- Events that wait for the next message.
CREATE TABLE announced_events (
    target  TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    message TEXT    NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (target, kind, subject, name)
) WITHOUT ROWID;

-- The targets, each with at most one message that is not sent yet.
CREATE TABLE announcement_targets (
    target     TEXT    NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,      -- when a server was last configured with it
    width      INTEGER NOT NULL,      -- of the window in which events are collected; 0: none is open
    until      INTEGER NOT NULL,
    message_id TEXT,                  -- null: no message waits
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    error      TEXT,
    body       BLOB
) WITHOUT ROWID;

-- Dead pushes of each PushConfig and unrecognised bodies of each account, ever. Counted by triggers, in the transaction that stores them.
CREATE TABLE subject_totals (
    subject TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    total   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (subject, name)
) WITHOUT ROWID;
CREATE TRIGGER push_died AFTER UPDATE OF state ON pushes WHEN new.state = 2 AND old.state <> 2 BEGIN
    INSERT INTO subject_totals (subject, name, total, last_at)
    SELECT 'PushConfig', n.name, 1, coalesce(new.ended_at, 0) FROM names AS n WHERE n.id = new.config_id
    ON CONFLICT (subject, name) DO UPDATE SET total = total + 1, last_at = max(last_at, excluded.last_at);
END;
CREATE TRIGGER unrecognised_arrived AFTER INSERT ON unrecognised BEGIN
    INSERT INTO subject_totals (subject, name, total, last_at) VALUES ('AggregatorWebhook', new.account, 1, new.last_at)
    ON CONFLICT (subject, name) DO UPDATE SET total = total + 1, last_at = max(last_at, excluded.last_at);
END;
