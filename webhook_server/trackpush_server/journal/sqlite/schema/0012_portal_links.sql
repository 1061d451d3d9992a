-- Links to the portal, without their tokens: docs/portal.md.
CREATE TABLE portal_links (
    id         TEXT    NOT NULL PRIMARY KEY,
    client     TEXT    NOT NULL,      -- NAME@UID for a former namespace of this name
    role       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    revoked_at INTEGER
) WITHOUT ROWID;

CREATE INDEX portal_links_client ON portal_links (client);

-- The key that signs links; random, and made when the first one is needed.
CREATE TABLE portal_key (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    key BLOB    NOT NULL
) WITHOUT ROWID;
