-- needs: 1
-- The history of the configuration: docs/config-history.md. The newest 1,000 entries, each of at most 16 KiB. No secret values.
CREATE TABLE trackpush.config_history (
    id        bigint  PRIMARY KEY,
    at        bigint  NOT NULL,
    revision  text    NOT NULL,
    added     integer NOT NULL,
    removed   integer NOT NULL,
    changed   integer NOT NULL,
    is_first  boolean NOT NULL,
    resources text    NOT NULL              -- JSON
);

-- The fields of each resource as of the newest entry, to compare the next configuration with.
CREATE TABLE trackpush.config_resources (
    name   text NOT NULL PRIMARY KEY,       -- Kind namespace/name
    fields text NOT NULL                    -- JSON
);

CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.config_history EXECUTE FUNCTION trackpush.refuse_held_v1();
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.config_resources EXECUTE FUNCTION trackpush.refuse_held_v1();
