"""Which traces are recorded: a share, drawn by us.

An aggregator's ``traceparent`` is input from outside. That it wants a trace recorded is a wish: ids that sort well, or
a flag on every request, must not make us record more than the share. That it wants none is honoured.
"""

from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes


class Share(Sampler):
    """Records this share of all traces, whatever their ids are."""

    def __init__(self, share: float, chance: Callable[[], float]) -> None:
        """``share`` from 0 to 1; ``chance`` is uniform in [0, 1)."""
        self._share = share
        self._chance = chance

    def should_sample(  # noqa: PLR0917  OpenTelemetry's own signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Draw."""
        del parent_context, trace_id, name, kind, links, trace_state
        drawn = self._chance() < self._share
        return SamplingResult(Decision.RECORD_AND_SAMPLE if drawn else Decision.DROP, attributes)

    def get_description(self) -> str:
        """As OpenTelemetry asks for."""
        return f"Share{{{self._share}}}"


def sampler(share: float, chance: Callable[[], float]) -> Sampler:
    """Of ours the parent decides, so that a trace is whole; of the aggregator's only its "no" does."""
    drawn = Share(share, chance)
    return ParentBased(
        root=drawn,
        remote_parent_sampled=drawn,
        remote_parent_not_sampled=ALWAYS_OFF,
        local_parent_sampled=ALWAYS_ON,
        local_parent_not_sampled=ALWAYS_OFF,
    )
