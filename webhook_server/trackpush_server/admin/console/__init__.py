"""The console: pages on the admin port for the people who run the server. Server-rendered; usable without scripts."""
