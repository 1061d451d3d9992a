"""The statements of the SQLite adapter: `trackpush_server.journal.queries` says how they are written."""
