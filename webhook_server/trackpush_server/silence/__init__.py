"""Notices accounts whose aggregator has stopped sending updates: docs/silence.md."""
