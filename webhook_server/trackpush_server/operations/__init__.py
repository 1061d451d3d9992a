"""Jobs of a running server, with progress: replay pushes, erase data. docs/replay-and-erase.md."""
