"""Routing tables in which every field has a value that the test can recognise, made from the types alone."""

import itertools
from typing import Any

import msgspec
from msgspec import inspect

from trackpush_api.routing import RoutingTable


class Filler:
    """Fills structs; texts contain ``marker``, and `texts` has the path of each of them."""

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._numbers = itertools.count(2 if marker == "old" else 1002)
        self.texts: dict[str, str] = {}
        """Path of the field, as ``Struct.field``, by text."""

    def table(self) -> RoutingTable:
        filled: RoutingTable = self._value(inspect.type_info(RoutingTable), "")
        server = msgspec.structs.replace(filled.server, name="trackpush/main")
        spec = msgspec.json.encode({"statuses": [{"label": self._text("Definition.spec")}]}).decode()
        definition = msgspec.structs.replace(server.definitions[0], name="Own", spec=spec)
        return RoutingTable(
            server=msgspec.structs.replace(server, definitions=(definition,)),
            accounts=(msgspec.structs.replace(filled.accounts[0], name="acme/clickpost"),),
            destinations=(
                msgspec.structs.replace(filled.destinations[0], name="acme/oms", url=self._url("Destination.url")),
            ),
        )

    def _text(self, path: str) -> str:
        text = f"{self._marker}-{next(self._numbers)}-x"
        self.texts[text] = path
        return text

    def _url(self, path: str) -> str:
        user, host, rest, query = (self._text(f"{path} {part}") for part in ("user", "host", "path", "query"))
        return f"https://{user}@{host}.example/{rest}?token={query}"

    def _value(self, kind: inspect.Type, path: str) -> Any:  # noqa: C901, PLR0911  one case and return for each kind of type
        match kind:
            case inspect.StructType(cls=cls, fields=fields):
                return cls(**{field.name: self._value(field.type, f"{cls.__name__}.{field.name}") for field in fields})
            case inspect.UnionType(types=types):
                return self._value([each for each in types if not isinstance(each, inspect.NoneType)][-1], path)
            case inspect.VarTupleType(item_type=item):
                return (self._value(item, path),)
            case inspect.TupleType(item_types=items):
                return tuple(self._value(item, path) for item in items)
            case inspect.FrozenSetType(item_type=item):
                return frozenset({self._value(item, path)})
            case inspect.StrType():
                return self._url(path) if "url" in path or path == "Egress.proxy" else self._text(path)
            case inspect.BytesType():
                return self._text(path).encode()
            case inspect.BoolType():
                return self._marker == "old"
            case inspect.IntType() | inspect.FloatType():
                return next(self._numbers)
            case inspect.LiteralType(values=values):
                return values[self._marker == "old"]
            case inspect.EnumType(cls=cls):
                return list(cls)[self._marker == "old"]
        raise AssertionError(f"{path}: {kind}")
