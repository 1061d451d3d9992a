-- The history of the configuration: docs/config-history.md. The newest 1,000 entries, each of at most 16 KiB. No secret values.
CREATE TABLE config_history (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    revision  TEXT    NOT NULL,
    added     INTEGER NOT NULL,
    removed   INTEGER NOT NULL,
    changed   INTEGER NOT NULL,
    is_first  INTEGER NOT NULL,
    resources TEXT    NOT NULL            -- JSON
);

-- The fields of each resource as of the newest entry, to compare the next configuration with.
CREATE TABLE config_resources (
    name   TEXT NOT NULL PRIMARY KEY,     -- Kind namespace/name
    fields TEXT NOT NULL                  -- JSON
) WITHOUT ROWID;
