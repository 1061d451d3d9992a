"""Turns snapshots into conditions, URLs and Events. Pure, like cert-manager's chains of checks.

No function here does I/O or reads a clock. The result depends only on the snapshot.
"""
