"""Exemplars, which link a latency in a histogram to a trace. Pure.

They are part of OpenMetrics. A scraper that doesn't request this format gets none.
"""

_SAMPLED = "-01"
_TRACE_ID = slice(3, 35)


def exemplar(trace: str | None) -> dict[str, str] | None:
    """The labels of an exemplar for a ``traceparent``; None if no trace was recorded."""
    return {"trace_id": trace[_TRACE_ID]} if trace is not None and trace.endswith(_SAMPLED) else None
