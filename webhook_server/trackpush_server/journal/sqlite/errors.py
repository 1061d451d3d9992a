"""What can be wrong with the journal's file, beside what SQLite itself reports."""


class JournalMovedError(OSError):
    """The file is not the one that this process opened."""


class JournalMigratingError(OSError):
    """The file is being brought to the schema of this version."""


class JournalDamagedError(Exception):
    """A check of the file found it damaged."""


class LogDamagedError(JournalDamagedError):
    """More of the log counts as copied than the log holds: commits may be lost, which no check of the file finds."""


class JournalNotOpenError(OSError):
    """The file is closed, because it could not be opened again."""


class LogInUseError(OSError):
    """A reader holds the log, so it can't be emptied now."""
