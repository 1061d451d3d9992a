"""The pusher: sends committed updates to the clients, in order per lane, with retries and a circuit breaker."""
