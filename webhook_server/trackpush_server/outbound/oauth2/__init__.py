"""OAuth 2.0 client credentials: gets a token for a destination, keeps it fresh, and puts it on every push."""
