"""Compiles resources into routing tables, one resource at a time. No I/O."""
