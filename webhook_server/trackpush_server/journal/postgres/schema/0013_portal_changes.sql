-- needs: 1
-- Changes of PushConfigs that clients' people asked for in the portal: docs/portal.md. The content is empty unless the change waits.
CREATE TABLE trackpush.portal_changes (
    id            text   PRIMARY KEY,
    client        text   NOT NULL,          -- the namespace
    namespace_uid text   NOT NULL,          -- of the namespace object; empty in a folder of files
    push_config   text   NOT NULL,          -- the name without the namespace
    state         text   NOT NULL,          -- waiting, applied, refused or superseded
    message       text   NOT NULL,
    created_at    bigint NOT NULL,
    ended_at      bigint,
    content       bytea  NOT NULL
);
CREATE INDEX portal_changes_by_client ON trackpush.portal_changes (client, created_at);
CREATE INDEX portal_changes_waiting ON trackpush.portal_changes (created_at) WHERE state = 'waiting';

CREATE TRIGGER refuse_held BEFORE INSERT OR UPDATE OR DELETE ON trackpush.portal_changes EXECUTE FUNCTION trackpush.refuse_held_v1();
