"""What a message to people is about. `messages` renders events; `detection` finds them."""

from trackpush_server.journal.announcements import AnnouncedEvent, EventSubject

__all__ = ["AnnouncedEvent", "EventSubject"]
