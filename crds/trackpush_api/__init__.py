"""Trackpush's API: the kinds, their definitions, and `compile`, which turns resources into a routing table. No I/O."""
