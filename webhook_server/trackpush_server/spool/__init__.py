"""Keeps updates on disk for the server that owns the journal, while that server is replaced. docs/no-gap.md.

A standby (`trackpush_server.standby`) answers 200 after an arrival is in the spool and on disk. The server that owns
the journal reads the spool in, in order, before it stores anything that it receives itself.
"""
