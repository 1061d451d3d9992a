"""Traces of updates: from the aggregator's request through the journal to each attempt. Off by default.

The parts of the server know `port` only. OpenTelemetry's SDK is imported by `environment` where the environment asks
for it, and nowhere else, so a server without tracing pays nothing.
"""
