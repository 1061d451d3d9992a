"""What this server knows of the stored announcements: a copy in memory, so that most rounds read nothing."""

from collections.abc import Iterable

from trackpush_server.announcing.events import EventSubject
from trackpush_server.journal.announcements import Announced, AnnouncementRows


class Known:
    """The copy. The journal refuses a write with an outdated version, so an outdated copy can't announce twice."""

    def __init__(self, rows: AnnouncementRows) -> None:
        self.targets = {state.target: state for state in rows.targets}
        self.collecting = set(rows.collecting)
        """Targets with events that wait for the next message."""
        self._announced = {(row.target, row.subject, row.name): row for row in rows.announced}
        self._subjects = {(row.subject, row.name) for row in rows.announced}

    def row(self, target: str, subject: EventSubject, name: str) -> Announced | None:
        return self._announced.get((target, subject, name))

    def is_known(self, subject: EventSubject, name: str) -> bool:
        """Whether anything was announced about this subject to any target."""
        return (subject, name) in self._subjects

    def recorded(self, rows: Iterable[Announced], collecting: Iterable[str]) -> None:
        """Take over what was stored."""
        for row in rows:
            self._announced[row.target, row.subject, row.name] = row
            self._subjects.add((row.subject, row.name))
        self.collecting.update(collecting)
