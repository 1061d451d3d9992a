-- name: head
-- The newest entry.
SELECT id, revision FROM config_history ORDER BY id DESC LIMIT 1;

-- name: recent
-- Revisions of the newest entries since a time.
SELECT revision FROM config_history WHERE at >= ? ORDER BY id DESC LIMIT 100;

-- name: add
-- One entry.
INSERT INTO config_history (id, at, revision, added, removed, changed, is_first, resources) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: trim
-- Keep the newest.
DELETE FROM config_history WHERE id <= ?;

-- name: snapshot
-- The fields of each resource.
SELECT name, fields FROM config_resources;

-- name: set_resources
-- New fields of resources, all at once as JSON.
INSERT INTO config_resources (name, fields) SELECT j.value ->> 0, j.value ->> 1 FROM json_each(:rows) AS j WHERE true
ON CONFLICT (name) DO UPDATE SET fields = excluded.fields;

-- name: drop_resources
-- Resources that were removed, all at once as JSON.
DELETE FROM config_resources WHERE name IN (SELECT value FROM json_each(:names));

-- name: read
-- Entries, newest first.
SELECT id, at, revision, added, removed, changed, is_first, resources FROM config_history WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: all
-- All entries, as in `ConfigEntryRecord`.
SELECT id, at, revision, added, removed, changed, is_first, resources FROM config_history ORDER BY id;

-- name: all_resources
-- All resources, as in `ConfigResourceRecord`.
SELECT name, fields FROM config_resources ORDER BY name;

-- name: fill_resource
-- One resource of a copy.
INSERT INTO config_resources (name, fields) VALUES (?, ?);

-- name: empty
-- Before all of them are written again.
DELETE FROM config_history;

-- name: empty_resources
-- Before all of them are written again.
DELETE FROM config_resources;
