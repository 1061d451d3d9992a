"""What a folder of resources would change in a cluster: its files compared with the objects that the cluster has.

Each spec is read into the model of its kind first, so that a default that one side leaves out makes no difference.
Secrets, values of headers, and the path and query of URLs are compared and never shown.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from trackpush_api.manifest import ParsedManifest, Resource, Secret
from trackpush_api.validation import read_spec
from trackpush_cli.cluster.access import AccessDeniedError, Body, ClusterAccess, MissingError
from trackpush_operator.kube.kinds import OWN, SECRETS

_APIS: Final = {api.kind: api for api in OWN}
_MISSING: Final = "none"
_URLS: Final = ("url", "tokenUrl", "proxy")


class _Hidden(NamedTuple):
    """A value that is compared and not shown."""

    value: Any


class ClusterDifference(NamedTuple):
    """The lines to show, and what could not be compared."""

    lines: tuple[str, ...]
    unknown: tuple[str, ...] = ()


def compare(access: ClusterAccess, parsed: ParsedManifest) -> ClusterDifference:
    """Compare files with a cluster.

    Raises:
        CommandError: the user may not read the resources, or Trackpush's kinds are not installed.
    """
    lines = [line for found in _found(access, parsed.resources) for line in found]
    secrets, unknown = _secrets(access, parsed.secrets.values())
    return ClusterDifference((*lines, *secrets), unknown)


def _found(access: ClusterAccess, resources: Iterable[Resource]) -> Iterator[list[str]]:
    known: dict[tuple[str, str], dict[str, Body]] = {}
    for resource in sorted(resources, key=lambda found: found.title):
        place = (resource.kind, resource.namespace)
        if place not in known:
            objects = access.all(_APIS[resource.kind], resource.namespace)
            known[place] = {body["metadata"]["name"]: body for body in objects}
        body = known[place].get(resource.name)
        yield [f"+ {resource.title}"] if body is None else list(_changes(resource, body))


def _changes(resource: Resource, body: Body) -> Iterator[str]:
    assert resource.spec is not None
    live = body.get("spec") or {}
    model, _ = read_spec(resource.kind, live)
    old = dict(_fields("", live if model is None else _plain(model)))
    new = dict(_fields("", _plain(resource.spec)))
    changed = [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)]
    if changed:
        yield f"~ {resource.title}"
    for path in changed:
        before, after = old.get(path), new.get(path)
        if isinstance(before, _Hidden) or isinstance(after, _Hidden):
            yield f"    {path}: changed"
        else:
            yield f"    {path}: {before or _MISSING} -> {after or _MISSING}"


def _plain(model: Any) -> dict[str, Any]:
    plain: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


def _fields(path: str, value: Any) -> Iterator[tuple[str, str | _Hidden]]:
    """Every leaf of a spec by its path. An entry of a list that has a name is found by it, so that order is ignored."""
    last = path.rpartition(".")[2]
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "value" and ".headers[" in f".{path}":
                yield f"{path}.value", _Hidden(member)
            else:
                yield from _fields(f"{path}.{name}" if path else name, member)
    elif isinstance(value, list):
        if value and all(not isinstance(member, dict | list) for member in value):
            yield path, ", ".join(map(_text, value))
            return
        for number, member in enumerate(value):
            yield from _fields(f"{path}[{_key(member, number)}]", member)
    elif last in _URLS and isinstance(value, str):
        yield from _url(path, value)
    else:
        yield path, _text(value)


def _key(member: Any, number: int) -> str:
    named = member if isinstance(member, dict) else {}
    return str(named.get("name") or named.get("host") or number)


def _url(path: str, value: str) -> Iterator[tuple[str, str | _Hidden]]:
    """Scheme, host and port; the rest may be a secret."""
    parts = urlsplit(value)
    host = parts.netloc.rpartition("@")[2]
    yield path, f"{parts.scheme}://{host}"
    rest = (parts.netloc.removesuffix(host), parts.path, parts.query, parts.fragment)
    if any(rest):
        yield f"{path} (path and query)", _Hidden(rest)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _secrets(access: ClusterAccess, secrets: Iterable[Secret]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines for Secrets, and why some could not be compared."""
    lines: list[str] = []
    unknown: list[str] = []
    for secret in sorted(secrets, key=lambda found: (found.namespace, found.name)):
        title = f"Secret {secret.namespace}/{secret.name}"
        try:
            data = access.get(SECRETS, secret.namespace, secret.name).get("data") or {}
        except MissingError:
            lines.append(f"+ {title}")
        except AccessDeniedError:
            unknown.append(f"{title}: not compared, because you may not get Secrets of namespace {secret.namespace}")
        else:
            keys = _changed_keys(secret, data)
            lines += [f"~ {title}", *(f"    {key}: changed" for key in keys)] if keys else []
    return tuple(lines), tuple(unknown)


def _changed_keys(secret: Secret, data: Mapping[str, str]) -> list[str]:
    """The keys of the file whose value the cluster does not have; other keys stay as they are."""
    return [key for key, value in sorted(secret.values.items()) if value != _decoded(data.get(key))]


def _decoded(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
