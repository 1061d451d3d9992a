"""Compiles the fields that are times: the moment of an event, and a day."""

from collections.abc import Callable

from trackpush_aggregators import written
from trackpush_aggregators.definition.moments import Formats, Zone
from trackpush_aggregators.definition.paths import Scope
from trackpush_aggregators.definition.sources import Read, Sources
from trackpush_api.kinds.aggregator_definition import ValueSource

Parse = Callable[[str], written.Written | None]


class Times:
    """Compiles the times of one definition."""

    def __init__(self, sources: Sources, zone: Zone) -> None:
        self._sources = sources
        self._zone = zone

    def moment(self, source: ValueSource | None) -> tuple[Read, Callable[[str, int], int | None]]:
        """Two functions: one gets the text of a time, the other parses it and returns None if the time is too late.

        Raises:
            InvalidPartError: the source or a format is wrong.
        """
        read, parse, zone = self._sources.text(source, formats=True), _parser(source), self._zone

        def moment(text: str, until: int) -> int | None:
            found = parse(text)
            if found is None:
                return None
            milliseconds = zone.utc(found)
            return milliseconds if milliseconds <= until else None

        return read, moment

    def day(self, source: ValueSource) -> Read:
        """A function that reads a day, as ``YYYY-MM-DD``.

        Raises:
            InvalidPartError: as for `moment`.
        """
        read, parse, zone = self._sources.text(source, formats=True), _parser(source), self._zone

        def day(scope: Scope) -> str | None:
            text = read(scope)
            found = None if text is None else parse(text)
            return None if found is None else zone.day(found)

        return day


def _parser(source: ValueSource | None) -> Parse:
    return written.read if source is None or source.formats is None else Formats(source.formats).read
