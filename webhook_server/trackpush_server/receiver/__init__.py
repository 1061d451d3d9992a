"""From a request to a durable commit: the aggregators' side of the server."""
