"""Shipway: docs/aggregators/shipway.md says what it sends.

Section numbers in this package are those of docs/aggregators/reference.md.
"""
