"""Describes the problem of an endpoint for people. Pure."""

from trackpush_server.pusher.observer import Trouble


def describe(trouble: Trouble) -> str:
    """One or two sentences for people. They contain neither the endpoint's response nor its URL."""
    if trouble.gone:
        return _gone(trouble)
    if trouble.is_hopeless:
        return _hopeless(trouble)
    return _open(trouble) if trouble.is_open else _closed(trouble)


def _gone(trouble: Trouble) -> str:
    return f"The endpoint answered {trouble.cause}: it is permanently gone. Pushes wait until the PushConfig changes."


def _hopeless(trouble: Trouble) -> str:
    return f"Every attempt fails with: {trouble.cause}. No retry can help until the configuration changes."


def _closed(trouble: Trouble) -> str:
    return (
        f"Nothing was delivered since then; the last attempt failed with: {trouble.cause}."
        " Trackpush continues to retry."
    )


def _open(trouble: Trouble) -> str:
    return (
        f"The last {trouble.failures} attempts failed, the latest with: {trouble.cause}. Pushes wait."
        " Trackpush sends one of them about once a minute as a probe, and sends the others when a probe is delivered."
    )
