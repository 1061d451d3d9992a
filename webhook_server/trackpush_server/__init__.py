"""The data plane: receives tracking updates, stores them durably and pushes them."""
