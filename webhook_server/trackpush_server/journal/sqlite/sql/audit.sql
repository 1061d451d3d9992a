-- name: insert
-- One entry.
INSERT INTO audits (at, actor, role, action, target, address) VALUES (?, ?, ?, ?, ?, ?);

-- name: trim
-- Keep the newest.
DELETE FROM audits WHERE id <= (SELECT max(id) FROM audits) - ?;
