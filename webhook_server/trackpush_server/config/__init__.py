"""Loads the routing table, and applies each changed one."""
