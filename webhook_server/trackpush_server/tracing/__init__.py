"""Traces of updates: from the aggregator's request through the journal to each attempt. Off by default.

The other parts of the server know only `port`. Only `environment` imports OpenTelemetry's SDK, and only if tracing is
on, so tracing costs nothing otherwise.
"""
