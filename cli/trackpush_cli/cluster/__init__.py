"""`kubectl trackpush` as a user of a cluster: reads resources, finds a server, speaks to it by port-forward."""
