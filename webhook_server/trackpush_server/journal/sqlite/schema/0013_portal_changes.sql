-- Changes of PushConfigs that clients' people asked for in the portal: docs/portal.md. The content is empty unless the change waits.
CREATE TABLE portal_changes (
    id            TEXT    NOT NULL PRIMARY KEY,
    client        TEXT    NOT NULL,         -- the namespace
    namespace_uid TEXT    NOT NULL,         -- of the namespace object; empty in a folder of files
    push_config   TEXT    NOT NULL,         -- the name without the namespace
    state         TEXT    NOT NULL,         -- waiting, applied, refused or superseded
    message       TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    content       BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX portal_changes_by_client ON portal_changes (client, created_at);
CREATE INDEX portal_changes_waiting ON portal_changes (created_at) WHERE state = 'waiting';
