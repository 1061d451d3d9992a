"""Chooses a share of traces to record. Pure.

An aggregator's ``traceparent`` is input from outside, and its sampled flag is only a wish: ids that sort well
(OpenTelemetry's own ratio compares the trace's id), or a flag on every request, must not make us record more than the
share. That it wants none is honoured.
"""

from collections.abc import Callable


class Share:
    """The share of traces to record."""

    def __init__(self, share: float, chance: Callable[[], float]) -> None:
        """``share`` from 0 to 1; ``chance`` is uniform in [0, 1)."""
        self._share = share
        self._chance = chance

    def takes(self, *, asked: bool | None) -> bool:
        """Whether to record a trace; ``asked`` is the flag of the sender, None if the trace begins here."""
        return asked is not False and self._chance() < self._share
