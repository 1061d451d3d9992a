"""The scope of the checks: the resources of one server, from a folder or from a cluster, compiled."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from trackpush_aggregators.catalog import CATALOG
from trackpush_aggregators.library import LIBRARY
from trackpush_api.aggregators import PROFILES
from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.compile import compile_table
from trackpush_api.definitions import profiles
from trackpush_api.kinds import AggregatorWebhookSpec, PushConfigSpec, WebhookServerSpec
from trackpush_api.kinds.base import API_VERSION, ApiModel, SecretSource
from trackpush_api.manifest import ParsedManifest, Resource, parse_manifests
from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import RoutingTable
from trackpush_api.vocabulary import AggregatorName
from trackpush_cli.errors import CommandError
from trackpush_cli.folder import read_folder
from trackpush_cli.server_options import ServerChoice
from trackpush_operator.decide.webhook import WebhookSnapshot, url

if TYPE_CHECKING:
    from trackpush_cli.cluster.access import Body, ClusterAccess


class CheckScope(msgspec.Struct, frozen=True, kw_only=True):
    """One server and everything that it serves."""

    server: Resource
    resources: tuple[Resource, ...]
    table: RoutingTable | None
    problems: tuple[Problem, ...]
    unread_secrets: str | None = None
    """Why Secrets could not be read. Then checks that need a Secret are skipped."""

    @property
    def spec(self) -> WebhookServerSpec:
        assert isinstance(self.server.spec, WebhookServerSpec)
        return self.server.spec

    @property
    def _profiles(self) -> Mapping[AggregatorName, AggregatorProfile]:
        definitions = () if self.table is None else self.table.server.definitions
        return profiles(definitions, CATALOG)

    @property
    def _used(self) -> Collection[AggregatorName]:
        """The built-in aggregators, and those that an account names."""
        accounts = () if self.table is None else self.table.accounts
        return dict.fromkeys((*PROFILES, *(account.aggregator for account in accounts)))

    def urls(self) -> Iterator[tuple[str, str]]:
        """Aggregator and URL for each served aggregator; Shipway's URL without the part for the key."""
        known = self._profiles
        for host in self.spec.hosts:
            only = self.spec.model_copy(update={"hosts": [host]})
            for aggregator in host.aggregators or self._used:
                facts = known.get(aggregator)
                snapshot = WebhookSnapshot(facts=facts, server=self.server.full_name, server_spec=only)
                found = url(snapshot)
                if found is not None:
                    yield aggregator, found.removesuffix("/<key>")

    def paths(self) -> Iterator[tuple[str, str]]:
        """Aggregator and path of each aggregator that may be served, whatever the hosts."""
        known = self._profiles
        for aggregator in self._used:
            facts = known.get(aggregator)
            if facts is not None:
                yield aggregator, f"{self.spec.base_path}/{facts.path_segment}/notify"


def of_folder(folder: Path, server: str | None) -> CheckScope:
    """The resources in a folder.

    Raises:
        CommandError: the folder has no WebhookServer to check.
    """
    return _subject(read_folder(folder), server)


def of_cluster(access: "ClusterAccess", choice: ServerChoice) -> CheckScope:
    """The resources in a cluster; with ``-n`` those of one namespace, and the server that they use.

    Raises:
        CommandError: they can't be read.
    """
    from trackpush_cli.cluster import finding  # noqa: PLC0415  slow to import
    from trackpush_cli.cluster.access import AccessDeniedError  # noqa: PLC0415  same
    from trackpush_operator.kube.kinds import (  # noqa: PLC0415  same
        DEFINITIONS,
        PUSH_CONFIGS,
        SECRETS,
        SERVERS,
        WEBHOOKS,
    )

    namespace, name = finding.find_server(access, namespace=choice.namespace, server=choice.server)
    bodies: list[Body] = [{**access.get(SERVERS, namespace, name), "kind": SERVERS.kind, "apiVersion": API_VERSION}]
    for api, where in ((WEBHOOKS, None), (PUSH_CONFIGS, None), (DEFINITIONS, namespace)):
        bodies += [{**body, "kind": api.kind, "apiVersion": API_VERSION} for body in access.all(api, where)]
    parsed = parse_manifests({"cluster": _yaml(bodies)})
    unread = None
    secrets: list[Body] = []
    for space, secret in sorted(_named_secrets(parsed.resources)):
        try:
            secrets.append({**access.get(SECRETS, space, secret), "kind": "Secret", "apiVersion": "v1"})
        except AccessDeniedError as error:
            unread = error.message
        except CommandError:
            continue  # a missing Secret: compile() reports it with the resource that names it
    return _subject(parse_manifests({"cluster": _yaml([*bodies, *secrets])}), f"{namespace}/{name}", unread)


def _yaml(bodies: "Sequence[Body]") -> str:
    """The resources as YAML (JSON is YAML), without parts that aren't needed."""
    kept = ("apiVersion", "kind", "spec", "data")
    slim = [
        {name: body[name] for name in kept if name in body}
        | {"metadata": {key: body["metadata"].get(key) for key in ("namespace", "name", "creationTimestamp")}}
        for body in bodies
    ]
    return "\n---\n".join(msgspec.json.encode(body).decode() for body in slim)


def _named_secrets(resources: Sequence[Resource]) -> set[tuple[str, str]]:
    return {
        (resource.namespace, source.secret_key_ref.name)
        for resource in resources
        if isinstance(resource.spec, AggregatorWebhookSpec | PushConfigSpec)
        for source in sources(resource.spec)
    }


def sources(model: object) -> Iterator[SecretSource]:
    """Every reference to a Secret in a spec."""
    if isinstance(model, SecretSource):
        yield model
    elif isinstance(model, list | tuple):
        for item in model:
            yield from sources(item)
    elif isinstance(model, ApiModel):
        for name in type(model).model_fields:
            yield from sources(getattr(model, name))


def _subject(parsed: ParsedManifest, server: str | None, unread: str | None = None) -> CheckScope:
    compiled = compile_table(parsed.resources, parsed.secrets, server=server, library=LIBRARY)
    problems = (*parsed.problems, *compiled.problems)
    servers = [resource for resource in parsed.resources if resource.kind == "WebhookServer"]
    chosen = [candidate for candidate in servers if server is None or candidate.full_name == server]
    if len(chosen) != 1 or not isinstance(chosen[0].spec, WebhookServerSpec):
        errors = [str(problem) for problem in problems if problem.severity is Severity.ERROR]
        raise CommandError("; ".join(errors[:3]) or "no WebhookServer to examine")
    return CheckScope(
        server=chosen[0],
        resources=parsed.resources,
        table=compiled.table,
        problems=problems,
        unread_secrets=unread,
    )
