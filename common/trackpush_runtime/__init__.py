"""Shared by server and operator: logging, log throttle, retry delays, background tasks, sockets."""
