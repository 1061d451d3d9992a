"""Access to the API server: a Protocol with dict bodies, its errors, the watched kinds, and leader election."""
