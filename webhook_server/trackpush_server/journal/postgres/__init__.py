"""The journal on PostgreSQL: several servers share one."""

from trackpush_server.journal.postgres.adapter import PostgresJournal

__all__ = ["PostgresJournal"]
