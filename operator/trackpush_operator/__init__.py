"""The operator: watches the kinds and keeps the servers programmed."""
