"""Sends messages about endpoints and accounts to people, as ``spec.notifications`` says: docs/notifications.md.

"Notification" already means the canonical body of a push in this code, so a message to people is an announcement.
"""
