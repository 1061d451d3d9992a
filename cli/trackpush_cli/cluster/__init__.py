"""`kubectl trackpush` as a user of a cluster: reads resources, finds a server, connects to it by port-forward."""
