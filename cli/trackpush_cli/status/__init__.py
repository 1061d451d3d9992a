"""`trackpush status`: what is wrong now, in one screen. What is right takes no room."""
