"""Trackpush's API: the kinds, their custom resource definitions, and compile() from resources to a routing table. No I/O."""
