"""Writes the tables of fields into docs/kinds/*.md, from the CustomResourceDefinitions. `--check` only compares."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

_ROOT: Final = Path(__file__).parents[1]
_PAGES: Final = {
    "pushconfigs": "push-config",
    "aggregatorwebhooks": "aggregator-webhook",
    "webhookservers": "webhook-server",
    "aggregatordefinitions": "aggregator-definition",
}
_TABLE: Final = re.compile(r"(<!-- generated: fields -->\n).*?(<!-- end -->)", re.DOTALL)
_MOST_VALUES: Final = 6
Schema = dict[str, Any]


class Field(NamedTuple):
    """A row of the table."""

    path: str
    schema: Schema
    required: bool


def fields(schema: Schema, path: str = "spec") -> Iterator[Field]:
    """All fields below a schema, in order, each before what is in it."""
    required = set(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        yield Field(f"{path}.{name}", inner, name in required)
        below = f"{path}.{name}"
        items = inner.get("items")
        yield from fields(items, f"{below}[]") if isinstance(items, dict) else fields(inner, below)


def table(crd: Schema) -> str:
    """The Markdown table of one kind's spec."""
    (version,) = crd["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    rows = [f"| {' | '.join(_cells(field))} |\n" for field in fields(spec)]
    return "| field | type | default | is |\n|---|---|---|---|\n" + "".join(rows)


def _cells(field: Field) -> tuple[str, ...]:
    default = field.schema.get("default")
    shown = "**required**" if field.required else "" if default in (None, {}, []) else f"`{_plain(default)}`"
    text = str(field.schema.get("description", "")).replace("|", "\\|")
    return (f"`{field.path.removeprefix('spec.')}`", _type(field.schema), shown, text)


def _type(schema: Schema) -> str:
    values = schema.get("enum")
    if values is not None and len(values) <= _MOST_VALUES:
        return ", ".join(f"`{value}`" for value in values)
    kind = str(schema.get("type", "any"))
    if kind == "array":
        most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list of {_type(schema.get('items', {}))}{most}"
    bounds = [f"{schema[name]}" for name in ("minimum", "maximum") if name in schema]
    return f"{kind}, {' to '.join(bounds)}" if len(bounds) > 1 else kind


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def main() -> int:
    """Write, or with ``--check`` list the outdated files."""
    stale = []
    for plural, name in _PAGES.items():
        crd = yaml.safe_load((_ROOT / f"crds/trackpush.dev_{plural}.yaml").read_text(encoding="utf-8"))
        page = _ROOT / f"docs/kinds/{name}.md"
        text = page.read_text(encoding="utf-8")
        made = _TABLE.sub(lambda found, crd=crd: f"{found[1]}\n{table(crd)}\n{found[2]}", text)  # type: ignore[misc]
        if made != text and "--check" in sys.argv:
            stale.append(page.relative_to(_ROOT))
        elif made != text:
            page.write_text(made, encoding="utf-8")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(map(str, stale))}; run `make docs-fields`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
