-- The inbox: bodies that came with a known key and name no shipment. The account is stored by name, not by number: it may have no updates.
CREATE TABLE unrecognised (
    id           INTEGER PRIMARY KEY,   -- the order in which bodies were kept
    key          BLOB    NOT NULL UNIQUE,   -- 16 bytes of a digest of account, content type and body
    account      TEXT    NOT NULL,
    aggregator   TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,      -- when exactly this body came last
    times        INTEGER NOT NULL,
    size         INTEGER NOT NULL,      -- of the body, before it was sealed
    content_type TEXT    NOT NULL,
    body         BLOB    NOT NULL
);
CREATE INDEX unrecognised_by_account ON unrecognised (account, id, size);
CREATE INDEX unrecognised_by_time ON unrecognised (last_at);

-- How much is kept of each account, so that no look at the bounds counts rows. Kept by triggers: whoever deletes can't forget it.
CREATE TABLE unrecognised_accounts (
    account TEXT    PRIMARY KEY,
    entries INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER unrecognised_kept AFTER INSERT ON unrecognised BEGIN
    INSERT INTO unrecognised_accounts (account, entries, bytes) VALUES (new.account, 1, new.size)
    ON CONFLICT (account) DO UPDATE SET entries = entries + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER unrecognised_gone AFTER DELETE ON unrecognised BEGIN
    UPDATE unrecognised_accounts SET entries = entries - 1, bytes = bytes - old.size WHERE account = old.account;
    DELETE FROM unrecognised_accounts WHERE account = old.account AND entries <= 0;
END;
