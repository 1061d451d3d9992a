"""The statements of the SQLite adapter: `trackpush_server.journal.named_sql` says how they are written."""
