"""The private port: liveness, readiness, metrics, the loaded configuration."""
