"""Moves a whole journal from one adapter's store to another's: docs/move-storage.md.

Nothing may be lost and nothing pushed twice. So only one store is ever usable: the target is held until all of it was
compared with the source, and the source is retired before the target is let go. What is cut short is run again.
"""
