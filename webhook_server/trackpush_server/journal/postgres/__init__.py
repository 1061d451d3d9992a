"""The journal on PostgreSQL: several servers can share one journal."""

from trackpush_server.journal.postgres.adapter import PostgresJournal

__all__ = ["PostgresJournal"]
