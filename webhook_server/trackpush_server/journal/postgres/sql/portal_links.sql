-- name: make_key
-- The first key stays.
INSERT INTO trackpush.portal_key (one, key) VALUES (1, $1) ON CONFLICT (one) DO NOTHING;

-- name: key
-- The key, if there is one.
SELECT key FROM trackpush.portal_key;

-- name: add
-- One link, as in `PortalLink`.
INSERT INTO trackpush.portal_links (id, client, role, created_at, expires_at, created_by, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: find
-- One link, as in `PortalLink`.
SELECT id, client, role, created_at, expires_at, created_by, revoked_at FROM trackpush.portal_links WHERE id = $1;

-- name: of_client
-- The newest links of a client.
SELECT id, client, role, created_at, expires_at, created_by, revoked_at FROM trackpush.portal_links
WHERE client = $1 ORDER BY created_at DESC, id COLLATE "C" LIMIT $2;

-- name: current
-- The newest links of all clients, without those of former namespaces.
SELECT id, client, role, created_at, expires_at, created_by, revoked_at FROM trackpush.portal_links
WHERE strpos(client, '@') = 0 ORDER BY created_at DESC, id COLLATE "C" LIMIT $1;

-- name: all
-- All links, as in `PortalLink`.
SELECT id, client, role, created_at, expires_at, created_by, revoked_at FROM trackpush.portal_links ORDER BY id COLLATE "C";

-- name: revoke
-- A second revocation changes nothing.
UPDATE trackpush.portal_links SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL;

-- name: expire
-- Old links.
WITH gone AS (
    DELETE FROM trackpush.portal_links WHERE id IN (SELECT id FROM trackpush.portal_links WHERE expires_at < $1 LIMIT $2)
    RETURNING id
)
SELECT count(*) FROM gone;

-- name: rename
-- All links of a client belong to another name.
UPDATE trackpush.portal_links SET client = $1 WHERE client = $2;
