"""From a committed update to an ended push: lanes, retries, breaker."""
