"""Watches and lists: they pass every change to the event router, and find the changes that kopf doesn't report."""
