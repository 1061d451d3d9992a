"""Checks names and labels by the API server's rules, so that `trackpush check` refuses what `kubectl apply` refuses.

Pure.

Source: Kubernetes, "Object Names and IDs" and "Labels and Selectors" (DNS-1123 label and subdomain, qualified name).
"""

import re
from collections.abc import Iterator
from datetime import date
from types import UnionType
from typing import Any, Final

from trackpush_api.suggestions import did_you_mean

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
MOST_LABEL: Final = 63
MOST_SUBDOMAIN: Final = 253
MOST_ANNOTATIONS: Final = 256 * 1024
"""Maximum bytes of all keys and values of an object's annotations together."""
_OTHERS_ANNOTATIONS: Final = 4096
"""Bytes reserved for the annotations of the operator and of Kubernetes' own controllers."""
MOST_SERVER_NAME: Final = 50
"""Maximum characters. The value of the StatefulSet's revision label, ``NAME-`` and a hash, has at most 63."""
_SERVER_NAME: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SHOWN: Final = 64
_WORDS_OF_TYPES: Final[tuple[tuple[type | UnionType, str], ...]] = (
    (bool, "true or false"),
    (int | float, "a number"),
    (str, "a string"),
    (bytes, "binary data"),
    (date, "a date"),
    (list | tuple | set, "a list"),
)
"""The first type that matches counts, because a bool is also an int."""
_METADATA: Final = (
    "name", "namespace", "labels", "annotations", "creationTimestamp", "deletionGracePeriodSeconds",
    "deletionTimestamp", "finalizers", "generateName", "generation", "managedFields", "ownerReferences",
    "resourceVersion", "selfLink", "uid",
)  # fmt: skip


def objection_to_name(name: str) -> str | None:
    """The reason why Kubernetes refuses this name of a resource, or None."""
    if len(name) <= MOST_SUBDOMAIN and _SUBDOMAIN.fullmatch(name):
        return None
    return (
        f"{name[:_SHOWN]!r} is refused by Kubernetes; write at most {MOST_SUBDOMAIN} lower-case letters, digits, - and"
        " ., a letter or digit at both ends"
    )


def objection_to_namespace(name: str) -> str | None:
    """The reason why Kubernetes refuses this name of a namespace, or None."""
    if len(name) <= MOST_LABEL and _LABEL.fullmatch(name):
        return None
    return (
        f"{name[:_SHOWN]!r} is refused by Kubernetes; write at most {MOST_LABEL} lower-case letters, digits and -, a"
        " letter or digit at both ends"
    )


def objection_to_server_name(name: str) -> str | None:
    """The reason why no WebhookServer, and no Service, can have this name, or None."""
    if len(name) <= MOST_SERVER_NAME and _SERVER_NAME.fullmatch(name):
        return None
    return (
        f"{name[:_SHOWN]!r} can't be the name of its Service; write at most {MOST_SERVER_NAME} lower-case letters,"
        " digits and -, a letter first"
    )


def metadata_problems(metadata: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    """Field and message of everything that Kubernetes refuses in ``metadata``, without name and namespace."""
    for field in metadata:
        if field not in _METADATA:
            yield f"metadata.{field}", f"unknown field{did_you_mean(str(field), _METADATA)}"
    yield from label_problems("metadata.labels", metadata.get("labels"))
    yield from _texts("metadata.annotations", metadata.get("annotations"))


def label_problems(field: str, labels: Any) -> Iterator[tuple[str, str]]:
    """Field and message of each label that Kubernetes refuses."""
    yield from _texts(field, labels)
    for key, value in (labels if isinstance(labels, dict) else {}).items():
        prefix, slash, name = str(key).rpartition("/")
        is_prefixed = len(prefix) <= MOST_SUBDOMAIN and _SUBDOMAIN.fullmatch(prefix) is not None
        if not _is_qualified(name) or (slash and not is_prefixed):
            yield f"{field}.{key}", "Kubernetes refuses this name of a label; write letters, digits, -, _ and ."
        if isinstance(value, str) and value and not _is_qualified(value):
            message = (
                f"{value[:_SHOWN]!r} is refused by Kubernetes; write at most {MOST_LABEL} letters, digits, -, _ and .,"
                " a letter or digit at both ends"
            )
            yield f"{field}.{key}", message


def annotation_problems(field: str, annotations: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Field and message of each annotation that Kubernetes refuses. Of the values only the total size is limited."""
    for key in annotations:
        prefix, slash, name = key.rpartition("/")
        is_prefixed = len(prefix) <= MOST_SUBDOMAIN and _SUBDOMAIN.fullmatch(prefix.lower()) is not None
        if not _is_qualified(name) or (slash and not is_prefixed):
            yield f"{field}.{key[:_SHOWN]}", "Kubernetes refuses this name of an annotation; write [PREFIX/]NAME"
    size = sum(len(text.encode()) for pair in annotations.items() for text in pair)
    most = MOST_ANNOTATIONS - _OTHERS_ANNOTATIONS
    if size > most:
        yield field, f"has {size} bytes, names and values together; use at most {most}"


def _is_qualified(text: str) -> bool:
    return len(text) <= MOST_LABEL and _QUALIFIED.fullmatch(text) is not None


def _texts(field: str, values: Any) -> Iterator[tuple[str, str]]:
    if values is not None and not isinstance(values, dict):
        yield field, f"must be a mapping, found {kind_of_value(values)}"
        return
    for key, value in (values or {}).items():
        if value is not None and not isinstance(value, str):
            yield f"{field}.{key}", f"is {kind_of_value(value)}: put it in quotes"


def kind_of_value(value: object) -> str:
    """The kind of a YAML value in words."""
    if value is None:
        return "nothing"
    return next((words for types, words in _WORDS_OF_TYPES if isinstance(value, types)), "a mapping")
