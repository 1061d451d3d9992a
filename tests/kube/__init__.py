"""A real Kubernetes for the tests: see docs/testing.md."""
