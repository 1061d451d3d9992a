-- Which namespace object each client's names belong to: journal/tenants.py. No row: nothing has told a UID yet.
CREATE TABLE tenants (
    namespace  TEXT    NOT NULL,
    uid        TEXT    NOT NULL,
    generation TEXT    NOT NULL,      -- part of the keys of its updates; empty for the first namespace of a name
    current    INTEGER NOT NULL,      -- 1 for the one that the names belong to; the others are former ones
    PRIMARY KEY (namespace, uid)
) WITHOUT ROWID;
