"""Errors of the journal's file that SQLite does not report."""


class JournalMovedError(OSError):
    """The path no longer leads to the file that this process opened, or `journal copy` moved the journal away."""


class JournalMigratingError(OSError):
    """A long migration of the file is running."""


class JournalDamagedError(Exception):
    """A check found the file damaged."""


class LogDamagedError(JournalDamagedError):
    """More frames count as copied than the WAL has: commits may be lost. No check of the file can detect this."""


class JournalNotOpenError(OSError):
    """The file is closed, because reopening it failed."""


class LogInUseError(OSError):
    """The WAL can't be emptied now, because a reader uses it."""
