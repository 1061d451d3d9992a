"""What people ask a running server to do: replay pushes, erase data. Jobs with progress, docs/replay-and-erase.md."""
