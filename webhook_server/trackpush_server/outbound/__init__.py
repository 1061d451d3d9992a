"""The HTTP/1.1 transport of pushes, and the egress guard."""
