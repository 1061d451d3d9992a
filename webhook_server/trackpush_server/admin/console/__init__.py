"""The console: pages on the admin port for the people who run the server.

The server renders them; they work without scripts.
"""
