"""OAuth 2.0 client credentials: requests a token for a destination, renews it, and adds it to every push."""
