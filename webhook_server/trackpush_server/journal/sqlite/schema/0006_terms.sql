-- One index for all that updates are found by. A commit that changes random pages of several indexes writes several KB for
-- each update; this one is written in bulk: the newest updates (id > indexed.up_to) are only in the writer's memory, and
-- are merged in order of term. Readers search those by their ids.
CREATE TABLE terms (
    term      INTEGER NOT NULL,   -- 48 bits of a digest: compare the row as well
    at        INTEGER NOT NULL,   -- of the name of a shipment: when the update occurred; 0 otherwise
    update_id INTEGER NOT NULL,   -- may be of an update that retention has deleted
    PRIMARY KEY (term, at, update_id)
) WITHOUT ROWID;

-- One row.
CREATE TABLE indexed (
    up_to      INTEGER NOT NULL,  -- terms holds all of the updates up to this id
    trimmed_to INTEGER NOT NULL   -- retention has deleted updates up to this id since terms was last swept
);
INSERT INTO indexed VALUES (0, 0);

CREATE INDEX pushes_undelivered ON pushes (state, config_id, update_id) WHERE state <> 1;
