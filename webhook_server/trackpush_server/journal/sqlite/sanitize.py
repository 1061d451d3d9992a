"""Makes any record storable: SQLite accepts 64-bit numbers and valid Unicode; JSON from outside may contain more.

An invalid field must not cause a refusal: neither of its update nor of the other updates in the batch. So a record that
SQLite rejects is cleaned and stored with a second attempt.
"""

from typing import Any, TypeVar

import msgspec

_MOST = (1 << 63) - 1
_Record = TypeVar("_Record", bound=msgspec.Struct)


def storable(record: _Record) -> _Record:
    """The record with ``?`` in place of lone surrogates, and with numbers limited to 64 bits."""
    fields = {name: _clean(getattr(record, name)) for name in record.__struct_fields__}
    return msgspec.structs.replace(record, **fields)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and abs(value) > _MOST:
        return _MOST if value > 0 else -_MOST
    return value
