"""A change of a PushConfig that a client's person asks for in the portal, and the manifests that it becomes. Pure.

Server, operator and folder mode use the same functions, so a change is checked alike everywhere. Every value that the
person enters as a header or a signing secret is a credential: it goes into a Secret, and is never shown again.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from trackpush_api.aggregators.names import BUILT_IN, KnownAggregators
from trackpush_api.destinations import compile_destination
from trackpush_api.kinds import patterns
from trackpush_api.kinds.base import API_VERSION
from trackpush_api.manifest import Resource, Secret, with_spec
from trackpush_api.portal_label import MANAGED_BY, PORTAL
from trackpush_api.problems import Severity
from trackpush_api.routing import Destination, Egress
from trackpush_api.target import InvalidUrlError, read_url

MOST_NAME: Final = 200
"""Maximum length of a PushConfig's name, so that its Secret and its file have valid names, too."""
CHANGE_ID: Final = r"chg_[0-9a-f]{32}"
MOST_BYTES: Final = 64 * 1024
"""Maximum size of a change as JSON."""
_ID: Final = re.compile(CHANGE_ID)
_NAME: Final = re.compile(patterns.NAME)
_HEADER_FIELD: Final = re.compile(r"spec\.headers\[(\d+)\]")
_FIELD_WORDS: Final = {
    "spec.url": "URL",
    "spec.headers": "Headers",
    "spec.signing": "Signing secret",
    "spec.filter.statuses": "Statuses",
    "spec.filter.directions": "Directions",
    "spec.filter.aggregators": "Aggregators",
    "spec.filter.expression": "Expression",
}

_Value = Annotated[str, Meta(max_length=8192)]
_Word = Annotated[str, Meta(min_length=1, max_length=128)]
SigningChange = Literal["Keep", "Off", "Replace", "Rotate"]
"""Rotate: pushes are signed with the new secret and with the current one."""


class PortalHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header of every push."""

    name: _Word
    value: _Value | None = None
    """None keeps the current value."""

    def __repr__(self) -> str:
        """Without the value, which is a credential."""
        return f"PortalHeader(name={self.name!r}, …)"


class PortalFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which updates are pushed; an empty field accepts all."""

    statuses: Annotated[tuple[_Word, ...], Meta(max_length=100)] = ()
    directions: Annotated[tuple[_Word, ...], Meta(max_length=3)] = ()
    aggregators: Annotated[tuple[_Word, ...], Meta(max_length=100)] = ()
    expression: Annotated[str, Meta(max_length=2048)] = ""


class PortalChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole wanted state of one PushConfig."""

    id: Annotated[str, Meta(pattern=f"^{CHANGE_ID}$")]
    client: Annotated[str, Meta(min_length=1, max_length=253)]
    """The namespace."""
    namespace_uid: Annotated[str, Meta(max_length=64)] = ""
    """The namespace object to which the link of the person belongs; empty in a folder of files."""
    name: Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]
    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    headers: Annotated[tuple[PortalHeader, ...], Meta(max_length=32)] = ()
    signing: SigningChange = "Keep"
    signing_secret: _Value | None = None
    """The new secret for Replace and Rotate."""
    filter: PortalFilter = PortalFilter()
    suspend: bool = False

    @property
    def full_name(self) -> str:
        """``namespace/name`` of the PushConfig."""
        return f"{self.client}/{self.name}"

    def __repr__(self) -> str:
        """Without the credentials, and without the URL, which may contain one."""
        return f"PortalChange(id={self.id!r}, push_config={self.full_name!r}, …)"


class CurrentCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials of a PushConfig before a change."""

    headers: Mapping[str, str] = {}
    """Values by name in lower case."""
    signing: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the values."""
        return f"CurrentCredentials(headers={sorted(self.headers)}, …)"


class ChangeRefusedError(Exception):
    """The change can't be made; the message is for the person who asked for it, and has no credentials."""


class ChangeManifests(msgspec.Struct, frozen=True, kw_only=True):
    """The objects of a change. The Secret's keys contain the change's id.

    So a PushConfig switches URL and credentials at once, although two objects are written.
    """

    push_config: dict[str, Any]
    secret: dict[str, Any] | None
    """None if the PushConfig has no credentials."""
    values: dict[str, str]
    """The Secret's values as text."""

    def __repr__(self) -> str:
        """Without the values."""
        return "ChangeManifests(…)"


def secret_name(push_config: str) -> str:
    """The name of the Secret of a PushConfig that the portal wrote."""
    return f"trackpush-portal-{push_config}"


def objection_to_change(change: PortalChange) -> str | None:
    """The reason why the names in a change are invalid, or None. They become names of objects and files."""
    if _ID.fullmatch(change.id) is None:
        return "the change has an invalid id"
    for what, name in (("client", change.client), ("PushConfig", change.name)):
        if _NAME.fullmatch(name) is None or ".." in name or len(name) > MOST_NAME:
            return f"the name of the {what} is invalid: write {patterns.WORDS[patterns.NAME]}"
    return None


def current_of(destination: Destination | None) -> CurrentCredentials:
    """The credentials that a server uses now."""
    if destination is None:
        return CurrentCredentials()
    return CurrentCredentials(
        headers={name.lower(): value for name, value in destination.headers}, signing=destination.signing
    )


def current_in(name: str, spec: Mapping[str, Any], values: Mapping[str, str | None]) -> CurrentCredentials:
    """The credentials in a PushConfig that the portal wrote; ``values`` are those of its own Secret."""
    headers = {}
    for header in _dicts(spec.get("headers")):
        found = header.get("value") if isinstance(header.get("value"), str) else _own(name, header, values)
        if found is not None:
            headers[str(header.get("name")).lower()] = found
    signing = spec.get("signing")
    sources = _dicts(signing.get("secrets") if isinstance(signing, dict) else None)
    secrets = [_own(name, {"valueFrom": source}, values) for source in sources]
    return CurrentCredentials(headers=headers, signing=tuple(secret for secret in secrets if secret))


def manifests_of(
    change: PortalChange, current: CurrentCredentials, *, labels: Mapping[str, str] | None = None
) -> ChangeManifests:
    """The PushConfig and its Secret after the change.

    Args:
        change: the wanted state.
        current: the credentials from which the change keeps some.
        labels: labels of the Secret that the WebhookServer requires.

    Raises:
        ChangeRefusedError: a name is invalid, or the change keeps a credential that does not exist.
    """
    wrong = objection_to_change(change)
    if wrong is not None:
        raise ChangeRefusedError(wrong)
    tag = change.id[-12:]
    values: dict[str, str] = {}
    headers = []
    for index, header in enumerate(change.headers):
        key = f"header-{index}-{tag}"
        values[key] = _header_value(header, current)
        headers.append({"name": header.name, "valueFrom": _source(change, key)})
    secrets = []
    for index, secret in enumerate(_signing(change, current)):
        key = f"signing-{index}-{tag}"
        values[key] = secret
        secrets.append(_source(change, key))
    spec: dict[str, Any] = {"url": change.url, "suspend": change.suspend}
    spec |= {"headers": headers} if headers else {}
    spec |= {"signing": {"secrets": secrets}} if secrets else {}
    spec |= {"filter": chosen} if (chosen := _filter(change.filter)) else {}
    metadata = {"name": change.name, "namespace": change.client, "labels": {MANAGED_BY: PORTAL}}
    return ChangeManifests(
        push_config={"apiVersion": API_VERSION, "kind": "PushConfig", "metadata": metadata, "spec": spec},
        secret=secret_manifest(change, values, labels=labels) if values else None,
        values=values,
    )


def secret_manifest(
    change: PortalChange, values: Mapping[str, str], *, labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The Secret with these values."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(change.name),
            "namespace": change.client,
            "labels": {**(labels or {}), MANAGED_BY: PORTAL},
        },
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def objections(
    made: ChangeManifests, *, egress: Egress, known: KnownAggregators = BUILT_IN
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The errors and the warnings of a change, by the checks of every PushConfig."""
    metadata = made.push_config["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    bare = Resource(kind="PushConfig", namespace=namespace, name=name, spec=None)
    resource, problems = with_spec(bare, made.push_config["spec"])
    secret = secret_name(name)
    secrets = {(namespace, secret): Secret(namespace=namespace, name=secret, values=dict(made.values))}
    found = (*problems, *compile_destination(resource, secrets=secrets, egress=egress, known=known).problems)
    spec = made.push_config["spec"]
    errors, warnings = (
        tuple(
            _worded(spec, problem.field, problem.message)
            for problem in dict.fromkeys(found)
            if problem.severity is severity
        )
        for severity in (Severity.ERROR, Severity.WARNING)
    )
    return errors, warnings


def summary(change: PortalChange) -> str:
    """What the change sets, for the audit log: no credentials, and of the URL only scheme and host."""
    headers = [f"header {header.name[:64]} {'kept' if header.value is None else 'set'}" for header in change.headers]
    parts = [f"PushConfig {change.full_name}", change.id, f"url {_origin(change.url)}", *headers]
    parts += [f"signing {change.signing.lower()}"] if change.signing != "Keep" else []
    parts += ["filter"] if change.filter != PortalFilter() else []
    parts += ["suspended"] if change.suspend else []
    return ", ".join(parts)


def _origin(url: str) -> str:
    try:
        target = read_url(url)
    except InvalidUrlError:
        return "invalid"
    return f"{'https' if target.tls else 'http'}://{target.host}"


def _worded(change_spec: Mapping[str, Any], field: str | None, message: str) -> str:
    """The problem as a person reads it who sees a form, not a resource."""
    header = _HEADER_FIELD.match(field or "")
    if header is not None:
        where = f"Header {str(change_spec['headers'][int(header[1])]['name'])[:64]}"
    else:
        where = next((words for prefix, words in _FIELD_WORDS.items() if (field or "").startswith(prefix)), str(field))
    words = message.removeprefix("the Secret's value: ").replace("the Secret's value", "the value")
    return f"{where}: {words}"


def _header_value(header: PortalHeader, current: CurrentCredentials) -> str:
    value = current.headers.get(header.name.lower()) if header.value is None else header.value
    if value is None or not value.strip():
        raise ChangeRefusedError(f"the header {header.name[:64]} has no value; enter one")
    return value.strip()


def _signing(change: PortalChange, current: CurrentCredentials) -> tuple[str, ...]:
    if change.signing == "Keep":
        return current.signing
    if change.signing == "Off":
        return ()
    if not change.signing_secret or not change.signing_secret.strip():
        raise ChangeRefusedError("the new signing secret is missing; enter one")
    new = change.signing_secret.strip()
    former = [secret for secret in current.signing if secret != new][:1] if change.signing == "Rotate" else []
    return (new, *former)


def _filter(wanted: PortalFilter) -> dict[str, Any]:
    found: dict[str, Any] = {
        "statuses": list(dict.fromkeys(wanted.statuses)),
        "directions": list(dict.fromkeys(wanted.directions)),
        "aggregators": list(dict.fromkeys(wanted.aggregators)),
        "expression": wanted.expression.strip(),
    }
    return {name: value for name, value in found.items() if value}


def _source(change: PortalChange, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": secret_name(change.name), "key": key}}


def _own(name: str, part: Mapping[str, Any], values: Mapping[str, str | None]) -> str | None:
    """A value of the portal's own Secret. References to another Secret are never followed."""
    source = part.get("valueFrom")
    reference = source.get("secretKeyRef") if isinstance(source, dict) else None
    if not isinstance(reference, dict) or reference.get("name") != secret_name(name):
        return None
    return values.get(str(reference.get("key")))


def _dicts(found: Any) -> Iterator[Mapping[str, Any]]:
    for entry in found if isinstance(found, list) else ():
        if isinstance(entry, dict):
            yield entry
