-- People search by order and by status. Both indexes end in the row's id, so a walk along them is in the order received.
CREATE INDEX updates_by_order ON updates (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX updates_by_status ON updates (status);

-- Who asked the server to do what. No personal data: it is not erased with a person's.
CREATE TABLE audits (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    role    TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    target  TEXT    NOT NULL,
    address TEXT    NOT NULL
);
