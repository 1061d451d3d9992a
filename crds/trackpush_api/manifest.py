"""Text of YAML files → resources with positions, so that every problem names the line of the very field. Pure."""

import base64
import binascii
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import yaml
from pydantic import ValidationError

from trackpush_api.kinds import KINDS, patterns
from trackpush_api.kinds.base import API_VERSION, ApiModel
from trackpush_api.problems import Problem, Reason, Severity

_MOST_PROBLEMS = 200
_LAST_VISIBLE_PARTS = 40


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as Kubernetes reads it, without aliases: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not read; write the value out", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Refuse a key that stands twice: the second would silently win."""
        seen: set[str] = set()
        for key, _ in node.value:
            text = str(key.value)
            if text in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {text[:64]!r} stands twice; remove one", problem_mark=key.start_mark
                )
            seen.add(text)
        return super().construct_mapping(node, deep)


class Resource(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One custom resource as it stands in a file. ``spec`` is None when it is invalid (the problems say why)."""

    kind: str
    namespace: str
    name: str
    spec: ApiModel | None
    labels: dict[str, str] = {}
    order: str = ""
    """creationTimestamp, then place: the older of two is the smaller."""
    file: str | None = None
    node: yaml.Node | None = None

    @property
    def full_name(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def title(self) -> str:
        """``PushConfig acme/oms``."""
        return f"{self.kind} {self.full_name}"

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
            line=line_of(self.node, field),
        )


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A Secret's values, as text; None for one that is no UTF-8."""

    namespace: str
    name: str
    values: dict[str, str | None]


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """All that stood in the files."""

    resources: tuple[Resource, ...]
    secrets: dict[tuple[str, str], Secret]
    problems: tuple[Problem, ...]


def parse_manifests(files: Mapping[str, str]) -> Parsed:
    """Read all documents of all files (name → text); never raises for what stands in them."""
    reader = _Reader()
    for name in sorted(files):
        reader.read(name, files[name])
    return Parsed(
        resources=tuple(reader.resources.values()),
        secrets=reader.secrets,
        problems=tuple(reader.problems[:_MOST_PROBLEMS]),
    )


def line_of(node: yaml.Node | None, field: str) -> int | None:
    """The line (from 1) of a field such as ``spec.keys[0].name``, or of the nearest node above it."""
    if node is None:
        return None
    mark = node.start_mark
    for part in field.replace("[", ".[").split("."):
        key_mark, found = _child(node, part)
        if found is None:
            break
        node, mark = found, key_mark or found.start_mark
    return int(mark.line) + 1


def _child(node: yaml.Node, part: str) -> tuple[yaml.Mark | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if getattr(key, "value", None) == part:
                return key.start_mark, value
    elif isinstance(node, yaml.SequenceNode) and part.startswith("[") and part[1:-1].isdigit():
        index = int(part[1:-1])
        if index < len(node.value):
            return None, node.value[index]
    return None, None


class _Reader:
    """Collects resources, Secrets and problems over all files."""

    def __init__(self) -> None:
        self.resources: dict[tuple[str, str, str], Resource] = {}
        self.secrets: dict[tuple[str, str], Secret] = {}
        self.problems: list[Problem] = []
        self._seen: dict[tuple[str, str, str], str] = {}

    def read(self, file: str, text: str) -> None:
        """Take in one file."""
        try:
            for node, document in _documents(text):
                self._take(file, node, document)
        except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
            mark = getattr(error, "problem_mark", None)
            reason = getattr(error, "problem", None) or type(error).__name__
            self.problems.append(
                Problem(
                    message=f"not YAML that can be read: {reason}; nothing after this line was taken",
                    file=file,
                    line=mark.line + 1 if mark is not None else None,
                )
            )

    def _take(self, file: str, node: yaml.Node, document: Any) -> None:
        if document is None:
            return
        line = node.start_mark.line + 1
        if not isinstance(document, dict):
            self.problems.append(
                Problem(message="a resource is a mapping with apiVersion, kind and metadata", file=file, line=line)
            )
            return
        if document.get("kind") == "List" and isinstance(document.get("items"), list):
            items = _child(node, "items")[1]
            children = items.value if items is not None else []
            for child, item in zip(children, document["items"], strict=False):
                self._take(file, child, item)
            return
        self._take_resource(file, node, document, line)

    def _take_resource(self, file: str, node: yaml.Node, document: dict[Any, Any], line: int) -> None:
        kind, version = document.get("kind"), document.get("apiVersion")
        is_secret = kind == "Secret" and version == "v1"
        if not is_secret and (kind not in KINDS or version != API_VERSION):
            self._note_unknown(file, line, kind, version)
            return
        metadata = document.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        name, namespace = metadata.get("name"), metadata.get("namespace", "default")
        if not isinstance(name, str) or not name or not isinstance(namespace, str):
            self.problems.append(
                Problem(resource=str(kind), field="metadata.name", message="is missing; name it", file=file, line=line)
            )
            return
        identity = (str(kind), namespace, name)
        if identity in self._seen:
            self.problems.append(
                Problem(
                    resource=f"{kind} {namespace}/{name}",
                    message=f"stands twice, first at {self._seen[identity]}; remove one",
                    file=file,
                    line=line,
                )
            )
            return
        self._seen[identity] = f"{file}:{line}"
        if is_secret:
            self.secrets[namespace, name] = self._secret(file, node, document, namespace, name)
        else:
            created = str(metadata.get("creationTimestamp") or "")
            labels = metadata.get("labels")
            resource = Resource(
                kind=str(kind),
                namespace=namespace,
                name=name,
                spec=None,
                labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {},
                order=f"{created or '9999'} {len(self._seen):08d}",
                file=file,
                node=node,
            )
            self.resources[identity] = self._validated(resource, document)

    def _note_unknown(self, file: str, line: int, kind: Any, version: Any) -> None:
        if kind in KINDS:
            message, severity = f"apiVersion {version!r} is unknown; write {API_VERSION}", Severity.ERROR
        else:
            near = difflib.get_close_matches(str(kind), [*KINDS, "Secret"], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            message, severity = f"kind {str(kind)[:64]!r} is not ours and is ignored{hint}", Severity.WARNING
        self.problems.append(Problem(severity=severity, message=message, file=file, line=line))

    def _secret(self, file: str, node: yaml.Node, document: dict[Any, Any], namespace: str, name: str) -> Secret:
        values: dict[str, str | None] = {}
        for field in ("data", "stringData"):
            part = document.get(field)
            for key, value in (part if isinstance(part, dict) else {}).items():
                text = str(value) if isinstance(value, (str, int, float)) else ""
                try:
                    values[str(key)] = text if field == "stringData" else base64.b64decode(text, validate=True).decode()
                except (binascii.Error, UnicodeDecodeError, ValueError):
                    values[str(key)] = None
                    self.problems.append(
                        Problem(
                            resource=f"Secret {namespace}/{name}",
                            field=f"data.{key}",
                            message="is no base64 of UTF-8 text; encode it, or use stringData",
                            file=file,
                            line=line_of(node, f"data.{key}"),
                        )
                    )
        return Secret(namespace=namespace, name=name, values=values)

    def _validated(self, resource: Resource, document: dict[Any, Any]) -> Resource:
        extra = set(map(str, document)) - {"apiVersion", "kind", "metadata", "spec", "status"}
        for field in sorted(extra):
            self.problems.append(resource.problem(field, "is no field of a resource; did you mean to put it in spec?"))
        checked, problems = with_spec(resource, document.get("spec") or {})
        self.problems.extend(problems)
        return checked


def with_spec(resource: Resource, spec: Any) -> tuple[Resource, tuple[Problem, ...]]:
    """The resource with its spec checked and taken in; without it, and with all that is wrong, when it is invalid."""
    try:
        model = KINDS[resource.kind].spec.model_validate(spec)
    except ValidationError as error:
        return resource, tuple(_validation_problems(resource, error))
    except RecursionError:
        return resource, (resource.problem("spec", "is nested too deeply", reason=Reason.INVALID),)
    return msgspec.structs.replace(resource, spec=model), ()


def _documents(text: str) -> Iterator[tuple[yaml.Node, Any]]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            yield node, loader.construct_document(node)
    finally:
        loader.dispose()


def _validation_problems(resource: Resource, error: ValidationError) -> Iterator[Problem]:
    for entry in error.errors(include_url=False, include_input=False):
        field = _path(("spec", *entry["loc"]))
        message = entry["msg"].removeprefix("Value error, ")
        if entry["type"] == "extra_forbidden":
            message = "is no such field" + _nearest(resource, entry["loc"])
        elif entry["type"] == "missing":
            message = "is missing; set it"
        elif entry["type"] == "string_type":
            message = "is no text; put it in quotes (a duration also needs its unit: 10s)"
        elif entry["type"] == "string_pattern_mismatch":
            message = f"write {patterns.WORDS[entry['ctx']['pattern']]}"
        yield resource.problem(field, message, reason=Reason.INVALID)


def _nearest(resource: Resource, location: tuple[int | str, ...]) -> str:
    model: Any = KINDS[resource.kind].spec
    for part in location[:-1]:
        model = _model_of(model, part)
        if model is None:
            return ""
    names = [info.alias or name for name, info in model.model_fields.items()]
    near = difflib.get_close_matches(str(location[-1]), names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names[:_LAST_VISIBLE_PARTS])}"


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


def _path(parts: tuple[int | str, ...]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
