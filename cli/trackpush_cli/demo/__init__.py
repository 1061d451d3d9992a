"""The demo: a real server, the aggregators' side, the clients' side, and a verdict on what arrived."""
