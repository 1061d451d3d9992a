"""Moves a whole journal from one adapter's store to another's: docs/move-storage.md.

No update may be lost, and none may be pushed twice. So servers can use only one of the two stores at any time: the
target stays locked until it was compared with the source, and the source is retired before the target is released.
After an interruption, run the command again; it continues.
"""
