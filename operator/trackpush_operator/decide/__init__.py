"""Snapshot → conditions, URL and events: pure functions, in the manner of cert-manager's chains of checks.

Nothing here waits, asks or tells the time. What is not in the snapshot can't matter.
"""
