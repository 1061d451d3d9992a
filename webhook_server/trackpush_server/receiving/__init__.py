"""Accepts requests: in the main process, or in N receiving processes that pass the updates to the main process.

See docs/storage.md, "More than one process". A receiving process has no journal, no folder of resources and no secrets
of clients' endpoints. The main process sends it its part of the routing table. It answers 200 only after the main
process has confirmed the commit.
"""
