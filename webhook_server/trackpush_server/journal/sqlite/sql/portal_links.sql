-- name: make_key
-- The first key stays.
INSERT INTO portal_key (one, key) VALUES (1, ?) ON CONFLICT (one) DO NOTHING;

-- name: key
-- The key, if there is one.
SELECT key FROM portal_key;

-- name: add
-- One link, as in `PortalLink`.
INSERT INTO portal_links (id, client, role, created_at, expires_at, created_by, revoked_at) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: find
-- One link, as in `PortalLink`.
SELECT id, client, role, created_at, expires_at, created_by, revoked_at FROM portal_links WHERE id = ?;

-- name: of_client
-- The newest links of a client.
SELECT id, client, role, created_at, expires_at, created_by, revoked_at FROM portal_links
WHERE client = ? ORDER BY created_at DESC, id LIMIT ?;

-- name: current
-- The newest links of all clients, without those of former namespaces.
SELECT id, client, role, created_at, expires_at, created_by, revoked_at FROM portal_links
WHERE instr(client, '@') = 0 ORDER BY created_at DESC, id LIMIT ?;

-- name: all
-- All links, as in `PortalLink`.
SELECT id, client, role, created_at, expires_at, created_by, revoked_at FROM portal_links ORDER BY id;

-- name: revoke
-- A second revocation changes nothing.
UPDATE portal_links SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL;

-- name: expire
-- Old links.
DELETE FROM portal_links WHERE id IN (SELECT id FROM portal_links WHERE expires_at < ? LIMIT ?);

-- name: rename
-- All links of a client belong to another name.
UPDATE portal_links SET client = ? WHERE client = ?;

-- name: empty
-- Before all of them are written again.
DELETE FROM portal_links;

-- name: empty_key
-- The same for the key.
DELETE FROM portal_key;
