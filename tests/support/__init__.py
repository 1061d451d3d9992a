"""What tests of the whole server share: its process, its resources, an aggregator, a client's endpoint."""
