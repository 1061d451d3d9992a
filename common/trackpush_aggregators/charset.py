"""The texts that the bytes of a body may be: in the declared charset, else as UTF-8, else as Windows-1252. Pure.

At least one exists, and within one charset no two bodies become the same text: otherwise two orders whose names
differ in one accent would be one order.
"""

import codecs
import json
import pkgutil
import re
from collections.abc import Iterator
from encodings import __path__ as _codec_folder
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache
from typing import Final

_DECLARED = re.compile(r";\s*charset\s*=\s*[\"']?([A-Za-z0-9][A-Za-z0-9_.:+-]{0,39})", re.IGNORECASE)
_NO_CHARSETS = frozenset(
    {"aliases", "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
    | {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "charmap", "mbcs", "oem"}
)
"""Python codecs that are not charsets: transformations, and two that take quadratic time."""
_CODECS: Final = frozenset(module.name for module in pkgutil.iter_modules(_codec_folder)) - _NO_CHARSETS
_CHARSETS: Final = {name: name for name in _CODECS} | {
    alias: name for alias, name in aliases.items() if name in _CODECS
}
"""Python's module by normalised name. A fixed list: looking an unknown name up would search the disk for a module, and
Python remembers each name that it did not find."""
_UTF_8 = frozenset({"utf_8", "utf_8_sig", "ascii"})
"""Declared or not, these are read by the same steps."""
_WINDOWS = {byte: chr(byte) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
_WINDOWS_1252 = "".join(_WINDOWS.get(byte) or bytes([byte]).decode("cp1252") for byte in range(256))
"""Windows-1252 defines no character for five bytes; as the WHATWG has it, they are C1 control characters."""


_ESCAPING = frozenset({"utf_7", "hz"} | {name for name in _CODECS if name.startswith("iso2022")})
"""Charsets that write other letters as ASCII, too."""


@lru_cache(maxsize=256)
def declared(content_type: str) -> str | None:
    """Python's name for the charset of a Content-Type; None where there is none, or none that Python knows."""
    match = _DECLARED.search(content_type)
    return None if match is None else _CHARSETS.get(normalize_encoding(match[1]).lower())


def is_utf8(body: bytes, content_type: str) -> bool:
    """Whether to try UTF-8 first."""
    name = declared(content_type)
    return name is None or name in _UTF_8 or (body.isascii() and name not in _ESCAPING)


def texts(body: bytes, content_type: str) -> Iterator[str]:
    """Possible texts of the body, the likeliest first."""
    name = declared(content_type)
    if name is not None and name not in _UTF_8 and (text := _exactly(body, name)) is not None:
        yield text
    # Knows the byte-order marks of UTF-8, 16 and 32, and 16 and 32 without a mark.
    text = _exactly(body, json.detect_encoding(body))
    yield codecs.charmap_decode(body, "strict", _WINDOWS_1252)[0] if text is None else text


def _exactly(body: bytes, name: str) -> str | None:
    """The text, if the charset maps these bytes to a text that no other bytes map to."""
    try:
        text = body.decode(name)
        text.encode()  # a charset may hold half of a surrogate pair, JSON may not
        return text if name.startswith("utf") or text.encode(name) == body else None
    except (UnicodeError, ValueError):
        return None
