"""Parses YAML files to resources with positions, so that every problem names the line of its field. Pure.

Each file is independent: `read_file` reads it without looking at others, so that a server that watches a folder reads
only changed files again. `join` combines the files and finds duplicate definitions.
"""

import base64
import binascii
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
import yaml

from trackpush_api.kinds import KINDS
from trackpush_api.kinds.base import API_VERSION, GROUP, ApiModel
from trackpush_api.kubernetes_names import (
    kind_of_value,
    metadata_problems,
    objection_to_name,
    objection_to_namespace,
)
from trackpush_api.problems import Problem, Reason, Severity, unexpected
from trackpush_api.suggestions import closest, did_you_mean
from trackpush_api.validation import read_spec
from trackpush_api.yaml_codes import misread_codes
from trackpush_api.yaml_lines import PackedLines, find_line, pack_lines
from trackpush_api.yaml_reader import UnreadableYamlError, child, line_of, read_documents

_MOST_PROBLEMS = 200
_MOST_SECRET_BYTES = 1024 * 1024
"""Maximum bytes of all values together; the API server refuses more."""
_DATA_KEY_CHARACTERS = frozenset("-._abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_MOST_DATA_KEY = 253

NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})
"""A shared empty dictionary, because one for each of thousands of resources would take memory."""
Identity = tuple[str, str, str]
"""Kind, namespace, name."""


class Resource(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One custom resource of a file. ``spec`` is None if it is invalid (the problems say why)."""

    kind: str
    namespace: str
    name: str
    spec: ApiModel | None
    labels: Mapping[str, str] = NO_LABELS
    order: str = ""
    """The resource's `age_order`: the older of two is the smaller."""
    file: str | None = None
    lines: PackedLines | None = None

    @property
    def full_name(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def title(self) -> str:
        """``PushConfig acme/oms``."""
        return f"{self.kind} {self.full_name}"

    @property
    def place(self) -> tuple[str | None, int | None]:
        """File and line of ``spec``."""
        return self.file, find_line(self.lines, "spec")

    def problem(
        self, field: str, message: str, severity: Severity = Severity.ERROR, *, reason: Reason | None = None
    ) -> Problem:
        """A problem with a field of this resource."""
        return Problem(
            severity=severity,
            resource=self.title,
            field=field,
            message=message,
            reason=reason,
            file=self.file,
            line=find_line(self.lines, field),
        )


MOST_SECRET_BYTES: Final = 64 * 1024
"""Maximum bytes of names and values of a Secret in a cluster, where anybody may write many large Secrets."""


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A Secret's values as text; None for a value that is not UTF-8."""

    namespace: str
    name: str
    values: dict[str, str | None]
    labels: Mapping[str, str] = NO_LABELS
    lacks_label: str | None = None
    """``name: value`` of a required label that the Secret lacks; then it may not be read."""
    too_large: int | None = None
    """Its size in bytes if that is more than `MOST_SECRET_BYTES`; then it was not read."""


class Defined(msgspec.Struct, frozen=True, kw_only=True):
    """One resource or Secret of a file."""

    line: int
    content: Resource | Secret

    @property
    def identity(self) -> Identity:
        """The identity of a resource or Secret, unique in a folder."""
        content = self.content
        kind = content.kind if isinstance(content, Resource) else "Secret"
        return kind, content.namespace, content.name


class ReadFile(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one file. After an error, parts may be missing."""

    file: str
    defined: tuple[Defined, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the whole file could be read. Then a resource that is not in it was removed on purpose."""
        return bool(self.defined) and all(problem.severity is not Severity.ERROR for problem in self.problems)


class ParsedManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in the files."""

    resources: tuple[Resource, ...]
    secrets: dict[tuple[str, str], Secret]
    problems: tuple[Problem, ...]


def parse_manifests(files: Mapping[str, str]) -> ParsedManifest:
    """Read all documents of all files (name → text); never raises."""
    return join(read_file(name, files[name]) for name in sorted(files))


def read_file(file: str, text: str) -> ReadFile:
    """Read one file; never raises."""
    reader = _Reader(file)
    try:
        for document in read_documents(text):
            try:
                reader.take(document.node, document.value)
            except Exception as error:  # noqa: BLE001  a bug that one document triggers must not block the next
                reader.problems.append(unexpected(file, error, (file, document.node.start_mark.line + 1)))
    except UnreadableYamlError as error:
        message = f"invalid YAML: {error}; nothing after this line is read"
        reader.problems.append(Problem(message=message, file=file, line=error.line))
    except Exception as error:  # noqa: BLE001  a bug that one file triggers must not block the others
        reader.problems.append(unexpected(file, error, (file, None)))
    return ReadFile(file=file, defined=tuple(reader.defined), problems=tuple(reader.problems[:_MOST_PROBLEMS]))


def join(files: Iterable[ReadFile]) -> ParsedManifest:
    """Combine files in their order; of two definitions of the same resource, the first counts."""
    resources: list[Resource] = []
    secrets: dict[tuple[str, str], Secret] = {}
    problems: list[Problem] = []
    places: dict[Identity, str] = {}
    for read in files:
        problems.extend(read.problems)
        for resource in read.defined:
            identity = kind, namespace, name = resource.identity
            place = f"{read.file}:{resource.line}"
            first = places.setdefault(identity, place)
            if first != place:
                message = f"is defined twice, first at {first}; remove one"
                problems.append(
                    Problem(resource=f"{kind} {namespace}/{name}", message=message, file=read.file, line=resource.line)
                )
            elif isinstance(resource.content, Secret):
                secrets[namespace, name] = resource.content
            else:
                resources.append(resource.content)
    return ParsedManifest(resources=tuple(resources), secrets=secrets, problems=tuple(problems))


def age_order(created: str, uid: str) -> str:
    """A sort key by age: by creationTimestamp, then by UID.

    The API server's timestamps have whole seconds, and users choose names, so a name must not decide who is older. A
    resource without a timestamp is the youngest. A resource from a file has no UID and is identified by its place.
    """
    return f"{created or '9999'} {uid}"


def with_spec(resource: Resource, spec: Any) -> tuple[Resource, tuple[Problem, ...]]:
    """The resource with its parsed spec; if the spec is invalid, without it and with all problems."""
    model, wrong = read_spec(resource.kind, spec)
    problems = tuple(resource.problem(field, message, reason=Reason.INVALID) for field, message in wrong)
    return msgspec.structs.replace(resource, spec=model), problems


class _Reader:
    """Collects the definitions of one file, and its problems."""

    def __init__(self, file: str) -> None:
        self.defined: list[Defined] = []
        self.problems: list[Problem] = []
        self._file = file

    def take(self, node: yaml.Node, document: Any) -> None:
        """Add one document; of a List, each item."""
        if document is None:
            return
        line = node.start_mark.line + 1
        if not isinstance(document, dict):
            message = f"a resource is a mapping with apiVersion, kind and metadata, found {kind_of_value(document)}"
            self._note(None, None, message, line)
        elif document.get("kind") == "List" and isinstance(document.get("items"), list):
            items = child(node, "items")[1]
            for item, value in zip(items.value if items is not None else (), document["items"], strict=False):
                self.take(item, value)
        else:
            self._take_resource(node, document, line)

    def _take_resource(self, node: yaml.Node, document: dict[Any, Any], line: int) -> None:
        if not self._is_known(node, document):
            return
        kind = str(document["kind"])
        metadata = document.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        names = self._names(kind, node, metadata)
        if names is None:
            return
        namespace, name = names
        title = f"{kind} {namespace}/{name}"
        for field, message in metadata_problems(metadata):
            self._note(title, field, message, line_of(node, field) or line)
        content: Resource | Secret
        if kind == "Secret":
            values = self._values(title, node, document)
            content = Secret(namespace=namespace, name=name, values=values, labels=_labels(metadata))
        else:
            content = self._resource(kind, namespace, name, node, document)
        self.defined.append(Defined(line=line, content=content))

    def _is_known(self, node: yaml.Node, document: dict[Any, Any]) -> bool:
        """Whether the document has a known kind; a misspelled one is an error, any other a warning."""
        kind, version = document.get("kind"), document.get("apiVersion")
        is_text = isinstance(kind, str)
        expected = "v1" if kind == "Secret" else API_VERSION if is_text and kind in KINDS else None
        if expected is not None and version == expected:
            return True
        metadata = document.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        title = " ".join(part[:253] for part in (kind, name) if isinstance(part, str) and part.strip()) or None
        if expected is not None:
            found = "is missing" if version is None else f"{_shown(version)} is unknown"
            self._note(title, "apiVersion", f"{found}; write {expected}", line_of(node, "apiVersion"))
            return False
        near = None if kind is None else closest(str(kind), (*KINDS, "Secret"))
        is_ours = str(version).partition("/")[0] == GROUP or (near or "").casefold() == str(kind).casefold()
        line = line_of(node, "kind")
        if kind is None or not str(kind).strip():
            self._note(title, "kind", f"is missing{did_you_mean('', (*KINDS, 'Secret'))}", line)
        elif not is_text:
            self._note(title, "kind", f"is {kind_of_value(kind)}{did_you_mean('', (*KINDS, 'Secret'))}", line)
        elif is_ours:
            hint = did_you_mean(str(kind), (*KINDS, "Secret"))
            self._note(title, "kind", f"{str(kind)[:64]!r} is not a kind of Trackpush{hint}", line)
        elif (version, kind) != ("v1", "Namespace"):  # files of a client contain its namespace for kubectl
            hint = f"; did you mean {near}?" if near else ""
            message = f"{str(kind)[:64]!r} is not a kind of Trackpush and is ignored{hint}"
            self._note(title, "kind", message, line, Severity.WARNING)
        return False

    def _names(self, kind: str, node: yaml.Node, metadata: dict[Any, Any]) -> tuple[str, str] | None:
        """Namespace and name; None if the name is unusable."""
        name, namespace = metadata.get("name"), metadata.get("namespace")
        if not isinstance(name, str) or not name:
            found = "is missing; set it" if not name else f"is {kind_of_value(name)}: put it in quotes"
            self._note(kind, "metadata.name", found, line_of(node, "metadata.name"))
            return None
        title = f"{kind} {name[:253]}"
        if namespace is None:
            message = 'is missing, so "default" is used; set it'
            self._note(title, "metadata.namespace", message, line_of(node, "metadata"), Severity.WARNING)
            namespace = "default"
        if not isinstance(namespace, str):
            message = f"is {kind_of_value(namespace)}: put it in quotes"
            self._note(title, "metadata.namespace", message, line_of(node, "metadata.namespace"))
            return None
        for field, wrong in (("namespace", objection_to_namespace(namespace)), ("name", objection_to_name(name))):
            if wrong is not None:
                self._note(title, f"metadata.{field}", wrong, line_of(node, f"metadata.{field}"))
        return sys.intern(namespace), sys.intern(name)  # the same names are in many resources

    def _resource(self, kind: str, namespace: str, name: str, node: yaml.Node, document: dict[Any, Any]) -> Resource:
        metadata = document["metadata"]
        resource = Resource(
            kind=kind,
            namespace=namespace,
            name=name,
            spec=None,
            labels=_labels(metadata),
            order=age_order(
                str(metadata.get("creationTimestamp") or ""),
                str(metadata.get("uid") or f"{self._file} {node.start_mark.line:08d}"),
            ),
            file=self._file,
            lines=pack_lines(node),
        )
        for field in sorted(set(map(str, document)) - {"apiVersion", "kind", "metadata", "spec", "status"}):
            message = "is not a field of a resource; did you mean to put it in spec?"
            self.problems.append(resource.problem(field, message, reason=Reason.INVALID))
        if document.get("spec") is None:
            self.problems.append(resource.problem("spec", "is missing; set it", reason=Reason.INVALID))
            return resource
        checked, problems = with_spec(resource, document["spec"])
        if kind == "AggregatorDefinition" and (misread := list(misread_codes(node, document["spec"]))):
            problems += tuple(resource.problem(field, message, reason=Reason.INVALID) for field, message in misread)
            checked = resource  # without a spec, so that the last good version stays in use
        self.problems.extend(problems)
        return checked

    def _values(self, title: str, node: yaml.Node, document: dict[Any, Any]) -> dict[str, str | None]:
        values: dict[str, str | None] = {}
        for field in ("data", "stringData"):
            part = document.get(field)
            if part is not None and not isinstance(part, dict):
                message = f"must be a mapping of keys to values, found {kind_of_value(part)}"
                self._note(title, field, message, line_of(node, field))
                continue
            tree = child(node, field)[1]
            for (key, value), line in zip((part or {}).items(), _lines(tree), strict=False):
                try:
                    values[str(key)] = _value(key, value, is_encoded=field == "data")
                except ValueError as error:
                    values[str(key)] = None
                    self._note(title, f"{field}.{key}", str(error), line)
        size = sum(len((value or "").encode("utf-8", "surrogatepass")) for value in values.values())
        if size > _MOST_SECRET_BYTES:
            message = f"has {size} bytes; Kubernetes refuses Secrets of more than {_MOST_SECRET_BYTES}"
            self._note(title, "data", message, node.start_mark.line + 1)
        return values

    def _note(
        self,
        resource: str | None,
        field: str | None,
        message: str,
        line: int | None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        self.problems.append(
            Problem(severity=severity, resource=resource, field=field, message=message, file=self._file, line=line)
        )


def _labels(metadata: Mapping[Any, Any]) -> Mapping[str, str]:
    given = metadata.get("labels")
    return {str(key): str(value) for key, value in given.items()} if given and isinstance(given, dict) else NO_LABELS


def _shown(value: Any) -> str:
    """A value in a message: the text, or its kind if it isn't one."""
    return repr(value[:64]) if isinstance(value, str) else kind_of_value(value)


def _lines(node: yaml.Node | None) -> Iterator[int]:
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        yield key.start_mark.line + 1


def _value(key: Any, value: Any, *, is_encoded: bool) -> str | None:
    """The text of a Secret's value; None for bytes that are not text.

    Only a resource that refers to such a value reports it.

    Raises:
        ValueError: Kubernetes refuses the value; the message never shows it.
    """
    if not isinstance(key, str):
        raise ValueError(f"the key is {kind_of_value(key)}: put it in quotes")  # noqa: TRY004  one type for the caller
    if not key or len(key) > _MOST_DATA_KEY or not set(key) <= _DATA_KEY_CHARACTERS:
        raise ValueError("Kubernetes refuses this key; write letters, digits, -, _ and .")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"is {kind_of_value(value)}: put it in quotes")  # noqa: TRY004  same
    if not is_encoded:
        return value
    try:
        decoded = base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64; encode it, or use stringData") from None
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        return None
