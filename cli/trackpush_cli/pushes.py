"""`trackpush pushes`: what became of updates, read from the journal's file, with the server up or down."""
