"""Builds, starts and ends a cluster: programs from the Go module proxy, everything on this machine."""
