"""What server and operator share besides the API: logging, log throttle, retry delays, background tasks, sockets."""
