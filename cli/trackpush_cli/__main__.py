"""`python -m trackpush_cli`: the same as `trackpush`."""

from trackpush_cli.main import main

main()
