"""Exemplars: they link a latency in a histogram to a trace. Pure.

Exemplars are part of OpenMetrics: a scraper that doesn't ask for that format gets none.
"""

_SAMPLED = "-01"
_TRACE_ID = slice(3, 35)


def exemplar(trace: str | None) -> dict[str, str] | None:
    """The labels of an exemplar for a ``traceparent``; None where no trace was recorded."""
    return {"trace_id": trace[_TRACE_ID]} if trace is not None and trace.endswith(_SAMPLED) else None
