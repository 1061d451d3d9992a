"""Trackpush's API: the kinds, their definitions, and compile() from resources to a routing table. No I/O."""
