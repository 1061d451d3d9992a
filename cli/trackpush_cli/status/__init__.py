"""`trackpush status`: shows current problems on one screen."""
