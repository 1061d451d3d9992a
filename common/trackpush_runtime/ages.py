"""How long ago something happened, as people say it. Pure."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def show_age(seconds: float) -> str:
    """``now``, ``45 s ago``, ``3 min ago``, ``2 h ago``, ``4 d ago``; ``in 3 min`` for a time to come."""
    size = abs(seconds)
    if size < 1:
        return "now"
    for unit, name in _UNITS:
        if size >= unit:
            text = f"{size // unit:.0f} {name}"
            break
    else:
        text = f"{size:.0f} s"
    return f"in {text}" if seconds < 0 else f"{text} ago"
