"""The server's metrics, and its log lines about state changes.

The other parts of the server know only Protocols, which this package implements. Metric names follow Prometheus'
conventions (unit suffixes, ``_total``). Each label has a bounded number of values.
"""
