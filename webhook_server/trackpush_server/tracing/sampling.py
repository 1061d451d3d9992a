"""Chooses the share of traces to record. Pure.

An aggregator's ``traceparent`` is untrusted input. Specially chosen trace ids (OpenTelemetry's own ratio sampler
compares the id), or a sampled flag on every request, must not make the server record more than the share. A flag
against sampling is respected.
"""

from collections.abc import Callable


class Share:
    """The share of traces to record."""

    def __init__(self, share: float, chance: Callable[[], float]) -> None:
        """``share`` from 0 to 1; ``chance`` is uniform in [0, 1)."""
        self._share = share
        self._chance = chance

    def takes(self, *, asked: bool | None) -> bool:
        """Whether to record a trace; ``asked`` is the sender's sampled flag, None if the trace starts here."""
        return asked is not False and self._chance() < self._share
