"""Reads the routing table, and applies a changed one."""
