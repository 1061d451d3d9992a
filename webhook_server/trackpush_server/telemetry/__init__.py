"""The server's metrics, and its log lines about state changes.

The parts of the server know Protocols only; these are the implementations. Metric names follow Prometheus' conventions
(unit suffixes, ``_total``); every label has a bounded number of values.
"""
