"""The command line: the only package that knows both the operator and the server."""
