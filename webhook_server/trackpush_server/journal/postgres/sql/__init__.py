"""The statements of the PostgreSQL adapter, in the format of `trackpush_server.journal.named_sql`."""
