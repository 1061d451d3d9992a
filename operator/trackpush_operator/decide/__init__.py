"""Snapshot → conditions, URL and events: pure functions, in the manner of cert-manager's chains of checks.

No function here does I/O or reads a clock. Only the snapshot matters.
"""
