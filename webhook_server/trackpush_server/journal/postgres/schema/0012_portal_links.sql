-- needs: 1
-- Links to the portal, without their tokens: docs/portal.md.
CREATE TABLE trackpush.portal_links (
    id         text   NOT NULL PRIMARY KEY,
    client     text   NOT NULL,            -- NAME@UID for a former namespace of this name
    role       text   NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    created_by text   NOT NULL,
    revoked_at bigint
);

CREATE INDEX portal_links_client ON trackpush.portal_links (client);

-- The key that signs links; random, and made when the first one is needed.
CREATE TABLE trackpush.portal_key (
    one integer NOT NULL PRIMARY KEY CHECK (one = 1),
    key bytea   NOT NULL
);

CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.portal_links EXECUTE FUNCTION trackpush.refuse_held_v1();
CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.portal_key EXECUTE FUNCTION trackpush.refuse_held_v1();
