"""Accepts requests: in the main process, or in N receiving processes that pass updates to it.

docs/storage.md, "More than one process". A receiving process has no journal, no folder of resources and no secret of a
client's endpoint: it gets its part of the routing table from the main process, and a 200 leaves it only after the
main process has said that the commit is on disk.
"""
