"""What the server tells its operators: metrics, and the log lines of state changes.

The parts of the server know Protocols only; these are the implementations. Metric names follow Prometheus' conventions
(unit suffixes, ``_total``); every label has a bounded number of values.
"""
