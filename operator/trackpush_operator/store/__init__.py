"""What the operator knows: resources, pods and children, reports of the pods, contents of the shards. No I/O."""
