"""Checks PostgreSQL connection strings. Pure.

The driver (asyncpg) reads the same URLs as libpq, but passes unknown parameters to the database, which then refuses the
connection. So this module checks them where the user sees the error. No message quotes a value.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

FORM: Final = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SESSIONS: Final = ("any", "primary", "read-write")
"""libpq's other values of ``target_session_attrs`` may choose a server that accepts no writes."""
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"sslmode": _SSL_MODES, "target_session_attrs": _SESSIONS}
_LIBPQ_ONLY: Final = frozenset(
    {
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "replication",
        "require_auth",
        "requirepeer",
        "requiressl",
        "sslcertmode",
        "sslcompression",
        "sslcrldir",
        "sslsni",
        "tcp_user_timeout",
    }
)
_ENCODED: Final = "write @ : / ? # and % of user and password percent-encoded (@ is %40)"


def why_unusable(dsn: str) -> str | None:
    """The error message to append to the DSN's name; None if valid."""
    try:
        url = urlsplit(dsn)
        parameters = parse_qs(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
    except ValueError:
        return f"can't be read as a URL; write {FORM}, and {_ENCODED}"
    wrong = (check(url, parameters) for check in _CHECKS)
    return next((complaint for complaint in wrong if complaint is not None), None)


_Parameters = Mapping[str, list[str]]


def _scheme(url: SplitResult, _: _Parameters) -> str | None:
    return None if url.scheme in {"postgresql", "postgres"} else f"is not a PostgreSQL URL; write {FORM}"


def _characters(url: SplitResult, _: _Parameters) -> str | None:
    if url.fragment or url.netloc.count("@") > 1 or any(char.isspace() for char in url.geturl()):
        return f"contains a character with a special meaning in a URL; {_ENCODED}"
    return None


def _hosts(url: SplitResult, parameters: _Parameters) -> str | None:
    """Check the hosts. Without a host the driver would use the environment or a socket, which is never intended."""
    hosts = url.netloc.rpartition("@")[2] or "".join(parameters.get("host", ()))
    if not all(hosts.split(",")):
        return f"names no host; write {FORM}"
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts.split(",")]
    if any(port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) for port in ports):  # noqa: PLR2004  TCP's own limit
        return f"has a port that is not a number from 1 to 65535; write {FORM}, and {_ENCODED}"
    return None


def _unknown_to_the_driver(_: SplitResult, parameters: _Parameters) -> str | None:
    found = sorted(_LIBPQ_ONLY & parameters.keys())
    return f"has parameters that Trackpush can't pass on; remove {', '.join(found)}" if found else None


def _choices(_: SplitResult, parameters: _Parameters) -> str | None:
    for name, allowed in _CHOICES.items():
        if any(value not in allowed for value in parameters.get(name, ())):
            return f"has a {name} that can't be used; write one of {', '.join(allowed)}"
    return None


_CHECKS: Final[tuple[Callable[[SplitResult, _Parameters], str | None], ...]] = (
    _scheme,
    _characters,
    _hosts,
    _unknown_to_the_driver,
    _choices,
)
