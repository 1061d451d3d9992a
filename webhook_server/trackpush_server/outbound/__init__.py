"""The HTTP/1.1 transport of pushes, and the guard that says where they may go."""
