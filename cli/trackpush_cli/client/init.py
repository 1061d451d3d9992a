"""`trackpush init`."""

from trackpush_cli.client.command import init as command

__all__ = ["command"]
