"""The portal: pages for a client's own people, on a listener of its own, behind a signed link.

It shares no token, cookie or middleware with the admin port.
"""
