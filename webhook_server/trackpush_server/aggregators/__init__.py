"""One module per aggregator: pure functions from a request body to tracking updates."""
