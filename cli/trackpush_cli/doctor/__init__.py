"""`trackpush doctor`: everything between an aggregator and a client, checked from outside in. docs/cli.md."""
