"""A token and its lifetime. Pure: time and randomness are arguments."""

import msgspec

DEFAULT_LIFE = 300.0
"""Lifetime in seconds if the response has no ``expires_in``.

If the token ends earlier, the client's 401 leads to its renewal.
"""
_MOST_LIFE = 86400.0
_EARLY = 0.2
_JITTER = 0.1
_EARLIEST = 30.0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The response of a token endpoint: the token, and its lifetime in seconds if given."""

    access_token: str
    expires_in: float | None = None


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token in use. Times are those of its source's clock, in seconds."""

    value: str
    due: float
    """Time from which it is renewed in the background. It is still used meanwhile."""
    expires: float
    """Time from which no push is sent with it."""
    line: bytes
    """The header line with the token, ended by CRLF."""


def make_token(grant: Grant, *, asked_at: float, chance: float) -> Token:
    """Compute a token's times from the time of its request; ``chance`` (uniform in [0, 1)) spreads the renewals.

    The renewal is due when 20 to 30 % of the lifetime are left, for example 12 to 18 minutes of an hour. So a token
    endpoint can be down for a while without effect. With a short lifetime, at least 30 seconds are left, but at most
    half of it.
    """
    life = min(DEFAULT_LIFE if grant.expires_in is None else max(grant.expires_in, 0.0), _MOST_LIFE)
    early = max(life * (_EARLY + _JITTER * chance), min(_EARLIEST, life / 2))
    return Token(
        value=grant.access_token,
        due=asked_at + life - early,
        expires=asked_at + life,
        line=f"Authorization: Bearer {grant.access_token}\r\n".encode("ascii"),
    )
