"""Finds the file in a connection string that makes TLS fail, because the driver's error does not name it."""

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

_MODES_WITHOUT_TLS: Final = frozenset({"disable"})
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_CERTIFICATES: Final = frozenset({"sslrootcert", "sslcrl"})


def unusable_file(dsn: str) -> str | None:
    """Message about a missing, unreadable or invalid file, with the fix; None if there is none. Blocks."""
    parameters = parse_qs(urlsplit(dsn).query)
    if _MODES_WITHOUT_TLS & set(parameters.get("sslmode", ())):
        return None
    for name in _FILES:
        for path in parameters.get(name, ())[-1:]:
            if wrong := _wrong(name, Path(path)):
                return f"its {name} {path} {wrong}; mount the file there, or correct {name} in the connection string"
    return None


def _wrong(name: str, path: Path) -> str | None:
    try:
        with path.open("rb"):
            pass
        if name in _CERTIFICATES:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "holds no certificate in PEM form"
    except OSError as error:
        return f"can't be read ({error.strerror})"
    return None
