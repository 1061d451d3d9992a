"""What the server and the operator share beside the API: logging, background tasks, sockets, delays of retries."""
