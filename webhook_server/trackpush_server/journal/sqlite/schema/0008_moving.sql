-- Which journal this is, where its content came from and where it went (`trackpush journal copy`): docs/move-storage.md.
CREATE TABLE journal (
    id             TEXT NOT NULL,
    copied_from    TEXT,                      -- the journal whose content was copied into this one
    moved_to       TEXT,                      -- the journal that holds the content now; null: this one does
    moved_to_place TEXT                       -- where that is, for people
);
INSERT INTO journal (id) VALUES (lower(hex(randomblob(16))));
