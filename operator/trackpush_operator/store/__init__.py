"""What the operator knows of the cluster: resources, pods and children, pod reports, shard contents. No I/O."""
