-- name: append
-- All that gathered, in one call: see schema/0003_append.sql. Then the times of accounts' last updates, in the same transaction.
SELECT a.*, trackpush.arrived_v1($38, $39) FROM trackpush.append_v1($1, $2, $3, trackpush.expect_v1($37, $4), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
    $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36) AS a;

-- name: append_timeless
-- The same for a batch with updates that have no time: see schema/0004_timeless.sql.
SELECT a.*, trackpush.arrived_v1($38, $39) FROM trackpush.append_timeless_v1($1, $2, $3, trackpush.expect_v1($37, $4), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
    $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $40) AS a;

-- name: resume
-- Which history of the database this is, and whether it lacks what was seen: see schema/0007_histories.sql.
SELECT * FROM trackpush.resume_v1($1, $2, $3, $4, $5);

-- name: settle
-- How a batch came out whose answer was lost.
SELECT * FROM trackpush.settle_v1($1, $2, $3);

-- name: accounts
-- The numbers of accounts' names; new ones get one.
WITH given AS (
    SELECT DISTINCT g.name FROM unnest($1::text[]) AS g (name)
), made AS (
    INSERT INTO trackpush.accounts (name)
    SELECT g.name FROM given AS g WHERE NOT EXISTS (SELECT FROM trackpush.accounts AS a WHERE a.name = g.name) ORDER BY g.name
    ON CONFLICT (name) DO NOTHING RETURNING id, name
)
SELECT id, name FROM made
UNION ALL SELECT a.id, a.name FROM given AS g JOIN trackpush.accounts AS a ON a.name = g.name;

-- name: push_configs
-- The numbers of PushConfigs' names; new ones get one, and their slot.
WITH given AS (
    SELECT DISTINCT g.name, g.slot FROM unnest($1::text[], $2::smallint[]) AS g (name, slot)
), made AS (
    INSERT INTO trackpush.push_configs (name, slot)
    SELECT g.name, g.slot FROM given AS g WHERE NOT EXISTS (SELECT FROM trackpush.push_configs AS c WHERE c.name = g.name)
    ORDER BY g.name
    ON CONFLICT (name) DO NOTHING RETURNING id, name
)
SELECT id, name FROM made
UNION ALL SELECT c.id, c.name FROM given AS g JOIN trackpush.push_configs AS c ON c.name = g.name;
