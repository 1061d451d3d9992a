"""Setting up a client: the resources and secrets of `trackpush init` and `trackpush client add`."""
