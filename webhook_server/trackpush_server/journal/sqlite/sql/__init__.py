"""The statements of the SQLite adapter, in the format of `trackpush_server.journal.named_sql`."""
