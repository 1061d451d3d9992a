"""The demo: a real server, the aggregators' side, the clients' side, and a verdict on what arrived."""

from trackpush_cli.demo.command import command

__all__ = ["command"]
