"""The API server: one Protocol with dict bodies, its errors, and the kinds that the operator touches."""
