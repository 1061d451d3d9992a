"""Where the routing table comes from, and how a changed one is taken."""
