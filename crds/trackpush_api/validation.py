"""Validates a spec against its model; each error says what was found and what to write. Pure."""

import marshal
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trackpush_api.kinds import KINDS, patterns
from trackpush_api.kinds.base import ApiModel
from trackpush_api.kubernetes_names import kind_of_value
from trackpush_api.quantities import DURATION_PATTERN
from trackpush_api.sharing import share_parts
from trackpush_api.structural import structural
from trackpush_api.suggestions import closest, did_you_mean
from trackpush_api.vocabulary import Aggregator

Location = tuple[int | str, ...]
_SHOWN = 64
_SECRET_FIELDS = frozenset({"value", "expression"})
"""Fields whose text isn't shown, because it may be a secret, or is long."""
_DURATION_FIELDS = frozenset(
    [
        "timeout",
        "maxAge",
        "initial",
        "max",
        "per",
        "schedule",
        "headerTimeout",
        "bodyTimeout",
        "idleTimeout",
        "delivered",
        "dead",
        "targetQueueAge",
        "expectEvery",
        "unrecognised",
    ]
)
_SPACES = {" ": "a space", "\n": "a line break", "\r": "a line break", "\t": "a tab"}
_SCHEME = re.compile(r"[^/?#@]{0,32}://")
_URL_FIELDS = frozenset({"url", "tokenUrl", "proxy"})
"""Fields of which the part before the path is shown."""
_VALID: Final[dict[tuple[str, bytes], ApiModel]] = {}
"""Valid specs. Resources from one template often have equal specs, which then share one object."""
_MOST_VALID: Final = 1024


def read_spec(kind: str, spec: Any) -> tuple[ApiModel | None, tuple[tuple[str, str], ...]]:
    """The spec as its model, or None, and field and message of each error."""
    try:
        written = kind, marshal.dumps(spec, 2)  # unlike JSON, marshal distinguishes all types
    except ValueError:  # a timestamp of YAML, or too many levels
        return _validated(kind, spec)
    known = _VALID.get(written)
    if known is not None:
        return known, ()
    model, problems = _validated(kind, spec)
    if model is not None:
        if len(_VALID) >= _MOST_VALID:
            _VALID.clear()
        _VALID[written] = model
    return model, problems


def _validated(kind: str, spec: Any) -> tuple[ApiModel | None, tuple[tuple[str, str], ...]]:
    try:
        model = KINDS[kind].spec.model_validate(spec)
    except ValidationError as error:
        return None, tuple(_problems(kind, error))
    except RecursionError:
        return None, (("spec", "is nested too deeply"),)
    duplicates = tuple(_duplicates(_unique_lists(kind), spec, "spec"))
    return (None if duplicates else share_parts(model)), duplicates


def _problems(kind: str, error: ValidationError) -> Iterator[tuple[str, str]]:
    for entry in error.errors(include_url=False):
        location = entry["loc"]
        explain = _WORDS.get(entry["type"], _other)
        message = _unknown(kind, entry) if entry["type"] == "extra_forbidden" else explain(entry)
        yield _path(("spec", *location)), message


def _unknown(kind: str, entry: ErrorDetails) -> str:
    model: Any = KINDS[kind].spec
    for part in entry["loc"][:-1]:
        model = _model_of(model, part)
        if model is None:
            return "unknown field; remove it"
    names = [info.alias or name for name, info in model.model_fields.items()]
    return f"unknown field{did_you_mean(str(entry['loc'][-1]), names)}"


def _text(entry: ErrorDetails) -> str:
    value = entry["input"]
    if value is None:
        return "is null; set it or remove it"
    if isinstance(value, dict | list):
        return f"must be a string, found {_found(entry)}; write a string"
    names = {str(part) for part in entry["loc"]}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    hint = f' and give it a unit: "{value}s"' if is_number and names & _DURATION_FIELDS else ""
    return f"must be a string, found {_found(entry)}: put it in quotes{hint}"


def _pattern(entry: ErrorDetails) -> str:
    pattern = entry["ctx"]["pattern"]
    if pattern == DURATION_PATTERN and str(entry["input"]).replace(".", "").isdigit():
        return f"found {_found(entry)}, which has no unit; write a duration such as {entry['input']}s"
    if pattern == patterns.URL and (space := re.search(r"\s", entry["input"])) is not None:
        return (
            f"contains {_SPACES.get(space[0], 'white space')} as character {space.start() + 1}; remove it, or write %20"
        )
    if pattern == patterns.AGGREGATOR and (near := closest(entry["input"], Aggregator)) is not None:
        return f"found {_found(entry)}; did you mean {near}?"
    return f"found {_found(entry)}; write {patterns.WORDS[pattern]}"


def _choice(entry: ErrorDetails) -> str:
    expected = [part.strip("' ") for part in entry["ctx"]["expected"].replace(" or ", ", ").split(",")]
    return f"found {_found(entry)}{did_you_mean(str(entry['input']), expected)}"


def _length(entry: ErrorDetails) -> str:
    context = entry["ctx"]
    found = context.get("actual_length", len(entry["input"]) if hasattr(entry["input"], "__len__") else "?")
    what = "characters" if entry["type"].startswith("string") else "entries"
    if "min_length" in context:
        return "is empty; set it" if not found else f"has {found} {what}; at least {context['min_length']} are needed"
    return f"has {found if isinstance(found, int) else 'more'} {what}; at most {context['max_length']} are allowed"


def _bound(entry: ErrorDetails) -> str:
    (limit,) = (value for name, value in entry["ctx"].items() if name in {"ge", "gt", "le", "lt"})
    side = {"g": "at least", "l": "at most"}[entry["type"][0]]
    return f"found {_found(entry)}; write {side} {limit}"


def _type(expected: str) -> Callable[[ErrorDetails], str]:
    return lambda entry: f"must be {expected}, found {_found(entry)}"


def _other(entry: ErrorDetails) -> str:
    return f"is not valid ({entry['type'].replace('_', ' ')}), found {kind_of_value(entry['input'])}; correct it"


_WORDS: Final[Mapping[str, Callable[[ErrorDetails], str]]] = {
    "invalid_key": lambda entry: f"the key is {kind_of_value(entry['input'])}: put it in quotes",
    "missing": lambda _: "is missing; set it",
    "value_error": lambda entry: entry["msg"].removeprefix("Value error, "),
    "string_type": _text,
    "string_pattern_mismatch": _pattern,
    "literal_error": _choice,
    "enum": _choice,
    "too_short": _length,
    "too_long": _length,
    "string_too_short": _length,
    "string_too_long": _length,
    "greater_than_equal": _bound,
    "less_than_equal": _bound,
    "int_type": _type("a whole number"),
    "int_from_float": _type("a whole number"),
    "int_parsing_size": _type("a smaller whole number"),
    "bool_type": _type("true or false"),
    "list_type": _type("a list (- one entry a line)"),
    "dict_type": _type("a mapping (KEY: VALUE)"),
    "model_type": _type("a mapping (KEY: VALUE)"),
    "model_attributes_type": _type("a mapping (KEY: VALUE)"),
}
"""The errors of pydantic, in words for the author of a resource."""


def _found(entry: ErrorDetails) -> str:
    value, field = entry["input"], next((str(part) for part in reversed(entry["loc"]) if isinstance(part, str)), "")
    if not isinstance(value, str | int | float) or field in _SECRET_FIELDS:
        return kind_of_value(value) if not isinstance(value, str) else f"a text of {len(value)} characters"
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return f"the number {value!r}"[:_SHOWN]
    if field in _URL_FIELDS:
        scheme = _SCHEME.match(value)
        rest = value[scheme.end() :] if scheme else value.lstrip("/")
        value = (scheme[0] if scheme else "") + re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return repr(value[:_SHOWN])


def _duplicates(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Duplicate entries in lists of type set and map, which the API server refuses."""
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            yield from _duplicates(part, value.get(name), f"{path}.{name}")
    elif isinstance(value, list):
        keys = schema.get("x-kubernetes-list-map-keys")
        is_set = schema.get("x-kubernetes-list-type") == "set"
        seen: set[str] = set()
        for index, entry in enumerate(value):
            shown = str(entry) if is_set else ", ".join(str(entry.get(key)) for key in keys) if keys else None
            if shown in seen:
                yield f"{path}[{index}]", f"duplicate entry {str(shown)[:_SHOWN]!r}; remove one"
            if shown is not None:
                seen.add(shown)
            yield from _duplicates(schema.get("items", {}), entry, f"{path}[{index}]")


@cache
def _schema(kind: str) -> Mapping[str, Any]:
    return structural(KINDS[kind].spec.model_json_schema(by_alias=True))


@cache
def _unique_lists(kind: str) -> Mapping[str, Any]:
    """The parts of the schema that lead to lists of type set or map."""
    return _pruned(_schema(kind)) or {}


def _pruned(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    properties = {name: _pruned(part) for name, part in schema.get("properties", {}).items()}
    kept: dict[str, Any] = {"properties": {name: part for name, part in properties.items() if part is not None}}
    items = _pruned(schema.get("items", {})) if "items" in schema else None
    if items is not None:
        kept["items"] = items
    kept |= {name: schema[name] for name in ("x-kubernetes-list-map-keys", "x-kubernetes-list-type") if name in schema}
    is_needed = kept["properties"] or items is not None or schema.get("x-kubernetes-list-type") in {"set", "map"}
    return kept if is_needed else None


def _model_of(model: Any, part: int | str) -> Any:
    if isinstance(part, int):
        return model
    for name, info in model.model_fields.items():
        if (info.alias or name) == part:
            return next(_models(info.annotation), None)
    return None


def _models(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        yield annotation
        return
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


def _path(parts: Location) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
