"""Code that server and operator share: logging, log throttle, retry delays, background tasks, sockets."""
