"""Impersonation: the user that a command acts as, from the flags and the kubeconfig, as in kubectl.

The Kubernetes client ignores these fields of a kubeconfig, so a command would silently use all rights of the user
itself.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, ConfigNode, KubeConfigMerger

from trackpush_cli.errors import CommandError


class Impersonation(NamedTuple):
    """The impersonated user; none if ``user`` is empty."""

    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, str], ...] = ()

    def headers(self) -> Iterator[tuple[str, str]]:
        """The headers of each request. Source: Kubernetes, "User impersonation"."""
        if self.user:
            yield "Impersonate-User", self.user
        yield from (("Impersonate-Group", group) for group in self.groups)
        if self.uid:
            yield "Impersonate-Uid", self.uid
        yield from ((f"Impersonate-Extra-{quote(name, safe='')}", value) for name, value in self.extra)


def chosen(flags: Impersonation, file: Path | None, context: str) -> Impersonation:
    """The flags, completed by the context's user.

    Raises:
        CommandError: groups, a UID or extra fields without a user, which the API server refuses.
    """
    named = _of_kubeconfig(file, context)
    found = Impersonation(
        user=flags.user or named.user,
        groups=flags.groups or named.groups,
        uid=flags.uid or named.uid,
        extra=flags.extra or named.extra,
    )
    if any(found[1:]) and not found.user:
        raise CommandError("groups or a UID are impersonated without a user: pass --as, or set `as` in the kubeconfig")
    return found


def _of_kubeconfig(file: Path | None, context: str) -> Impersonation:
    merged = KubeConfigMerger(str(file) if file is not None else KUBE_CONFIG_DEFAULT_LOCATION).config
    whole: Mapping[str, Any] = merged.value if merged is not None else {}
    named = _entry(whole.get("contexts"), context, "context")
    user = _entry(whole.get("users"), named.get("user"), "user")
    extra = user.get("as-user-extra") or {}
    return Impersonation(
        user=user.get("as") or "",
        groups=tuple(user.get("as-groups") or ()),
        uid=user.get("as-uid") or "",
        extra=tuple((name, value) for name, values in extra.items() for value in values),
    )


def _entry(entries: Any, name: Any, field: str) -> Mapping[str, Any]:
    plain = (entry.value if isinstance(entry, ConfigNode) else entry for entry in entries or ())
    return next((entry.get(field) or {} for entry in plain if entry.get("name") == name), {})
