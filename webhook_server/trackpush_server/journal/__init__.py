"""The durable store of tracking updates, pushes and attempts."""
