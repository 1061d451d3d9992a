-- needs: 1
-- Which namespace object each client's names belong to: journal/tenants.py. No row: nothing has told a UID yet.
CREATE TABLE trackpush.tenants (
    namespace  text    NOT NULL,
    uid        text    NOT NULL,
    generation text    NOT NULL,                -- part of the keys of its updates; empty for the first namespace of a name
    current    boolean NOT NULL,                -- the one that the names belong to; the others are former ones
    PRIMARY KEY (namespace, uid)
);
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.tenants EXECUTE FUNCTION trackpush.refuse_held_v1();
