-- name: head
-- The newest entry.
SELECT id, revision FROM trackpush.config_history ORDER BY id DESC LIMIT 1;

-- name: recent
-- Revisions of the newest entries since a time.
SELECT revision FROM trackpush.config_history WHERE at >= $1 ORDER BY id DESC LIMIT 100;

-- name: add
-- One entry.
INSERT INTO trackpush.config_history (id, at, revision, added, removed, changed, is_first, resources)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: trim
-- Keep the newest.
DELETE FROM trackpush.config_history WHERE id <= $1;

-- name: snapshot
-- The fields of each resource.
SELECT name, fields FROM trackpush.config_resources;

-- name: set_resources
-- New fields of resources.
INSERT INTO trackpush.config_resources (name, fields) SELECT g.name, g.fields FROM unnest($1::text[], $2::text[]) AS g (name, fields)
ON CONFLICT (name) DO UPDATE SET fields = excluded.fields;

-- name: drop_resources
-- Resources that were removed.
DELETE FROM trackpush.config_resources WHERE name = ANY ($1::text[]);

-- name: read
-- Entries, newest first.
SELECT id, at, revision, added, removed, changed, is_first, resources
FROM trackpush.config_history WHERE id < $1 ORDER BY id DESC LIMIT $2;

-- name: all
-- All entries: names are those of `ConfigEntryRecord`.
SELECT id, at, revision, added, removed, changed, is_first, resources FROM trackpush.config_history ORDER BY id;

-- name: all_resources
-- All resources: names are those of `ConfigResourceRecord`.
SELECT name, fields FROM trackpush.config_resources ORDER BY name COLLATE "C";
