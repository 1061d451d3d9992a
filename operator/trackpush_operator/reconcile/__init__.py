"""Events → queues → workers: each worker brings one thing in the cluster to its desired state."""
