"""Makes any record storable: SQLite takes 64-bit numbers and valid Unicode; JSON from outside may hold more.

An odd field is never a reason to refuse an update, and a lone surrogate in one must not refuse the others
of its batch. So a record that SQLite refuses is cleaned and tried once more.
"""

from typing import Any, TypeVar

import msgspec

_MOST = (1 << 63) - 1
_Record = TypeVar("_Record", bound=msgspec.Struct)


def storable(record: _Record) -> _Record:
    """The record with every lone surrogate replaced by ``?`` and every number within 64 bits."""
    fields = {name: _clean(getattr(record, name)) for name in record.__struct_fields__}
    return msgspec.structs.replace(record, **fields)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and abs(value) > _MOST:
        return _MOST if value > 0 else -_MOST
    return value
