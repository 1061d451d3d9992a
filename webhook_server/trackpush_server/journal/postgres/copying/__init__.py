"""A journal in PostgreSQL as the source or the target of `trackpush journal copy`: docs/move-storage.md."""

from trackpush_server.journal.postgres.copying.source import PostgresSource
from trackpush_server.journal.postgres.copying.target import PostgresTarget

__all__ = ["PostgresSource", "PostgresTarget"]
