"""Watches and lists: they bring every change to the event router, and notice the changes that kopf leaves out."""
