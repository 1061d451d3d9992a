"""Applies the changes of PushConfigs that clients' people asked for in the portal.

The pods keep the changes in their journal, and have no access to the API server. The operator reads the changes from a
pod, checks them as it checks every PushConfig, writes the Secret and the PushConfig, and reports the outcome to the
pod. Each step can be repeated: after a restart of the operator or of the pod, the change still waits, and the same
objects are written again.
"""

from typing import Final

import aiohttp
import msgspec
import structlog

from trackpush_api.accounts import serves_namespace
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.manifest import Resource
from trackpush_api.portal_change import (
    ChangeManifests,
    ChangeRefusedError,
    PortalChange,
    current_in,
    manifests_of,
    objection_to_change,
    objections,
    secret_manifest,
    secret_name,
)
from trackpush_api.settings import compile_egress
from trackpush_operator.decide.portal_changes import (
    PORTAL_MANAGER,
    ChangeContext,
    adopted,
    allows_edit,
    needs_adoption,
    objection_to_client,
    objection_to_push_config,
    objection_to_secret,
)
from trackpush_operator.kube.api import Api, Body, Cluster
from trackpush_operator.kube.errors import ForbiddenError, InvalidError, NotFoundError
from trackpush_operator.kube.kinds import PUSH_CONFIGS, SECRETS
from trackpush_operator.reconcile.admin_port import AdminPorts, BadAnswerError
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.objects import Key, Kind, resource_of, secret_of

EVERY: Final = 3.0
"""Seconds between two questions for waiting changes."""
_PATH: Final = "/api/v1/portal/changes"
_MOST_MESSAGE: Final = 2000
_log = structlog.get_logger("operator")


class _Requested(msgspec.Struct, rename="camel"):
    id: str
    push_config: str = ""
    change: PortalChange | None = None
    unreadable: str | None = None


class _RequestedList(msgspec.Struct):
    changes: list[_Requested] = []


class PortalChanges:
    """Handles the keys of `Queues.portal`: servers, ``namespace/name``."""

    def __init__(self, cluster: Cluster, ports: AdminPorts, state: OperatorState) -> None:
        self._cluster = cluster
        self._ports = ports
        self._state = state

    async def apply(self, server: str) -> None:
        """Apply the waiting changes of one server, and plan the next look.

        Raises:
            ClusterError: the API server did not answer; the changes are applied later.
        """
        if not allows_edit(self._state.cache.server(server)) or self._state.compiler.is_held(server):
            return  # the read-back enqueues it again
        self._state.queues.portal.add(server, delay=EVERY)
        for pod in self._state.owned.ready_pods(server):
            if pod.address is not None and await self._apply_from(server, pod.address):
                return  # the pods share the journal

    async def _apply_from(self, server: str, address: str) -> bool:
        """Apply the changes that a pod reports; returns whether it answered. The read-back reports those that don't."""
        try:
            answer = await self._ports.send(server, address, _PATH)
            found = msgspec.json.decode(answer.content, type=_RequestedList) if answer.status == 200 else None  # noqa: PLR2004  OK
        except (aiohttp.ClientError, TimeoutError, OSError, BadAnswerError, msgspec.DecodeError):
            return False
        failures: list[Exception] = []
        for requested in [] if found is None else found.changes:
            if self._is_undecided(requested):
                continue  # it waits for the next look
            try:
                await self._end(server, address, requested)
            except Exception as error:  # noqa: BLE001  another client's change must not wait for this one
                failures.append(error)
        if failures:
            raise failures[0]
        return found is not None

    def _is_undecided(self, requested: _Requested) -> bool:
        """Whether something about the client's AggregatorWebhooks or its namespace is not known yet."""
        client = "" if requested.change is None else requested.change.client
        cache, verdicts = self._state.cache, self._state.compiler.verdicts
        return any(key not in verdicts or cache.lacks_namespace_uid(key) for key in cache.webhooks(client))

    async def _end(self, server: str, address: str, requested: _Requested) -> None:
        """Apply one change, and report the outcome. If the report is lost, the change is applied again."""
        state = "applied"
        try:
            message = await self._written(server, requested)
        except ChangeRefusedError as error:
            state, message = "refused", str(error)
        except InvalidError as error:
            state, message = "refused", f"Kubernetes refuses it: {error}"
        except ForbiddenError:
            state, message = "refused", _NO_RIGHT
        body = {"state": state, "message": message[:_MOST_MESSAGE]}
        path = f"{_PATH}/{requested.id}/outcome"
        answer = await self._ports.send(server, address, path, method="POST", body=body)
        _log.info(
            "portal_change_applied" if state == "applied" else "portal_change_refused",
            change=requested.id,
            push_config=requested.push_config,
            reported=answer.status,
            reason=message[:300],
        )

    async def _written(self, server: str, requested: _Requested) -> str:
        """Check the change and write its objects; returns a note for its author, often empty.

        Raises:
            ChangeRefusedError: it can't be applied.
            ClusterError: the API server refuses it, or does not answer.
        """
        change = requested.change
        if change is None:
            raise ChangeRefusedError(f"{requested.unreadable or 'it is empty'}; send the change again")
        wrong = objection_to_change(change)
        if wrong is None and change.id != requested.id:
            wrong = "its id is wrong"
        item = self._state.cache.server(server)
        resource = None if item is None else resource_of(item)[0]
        if resource is None or not isinstance(resource.spec, WebhookServerSpec):
            raise InvalidServerError(server)  # its conditions say why; the change waits
        wrong = wrong or objection_to_client(change.name, change.namespace_uid, self._context(resource, change))
        if wrong is not None:
            raise ChangeRefusedError(wrong)
        push_config = await self._found(PUSH_CONFIGS, change.client, change.name)
        secret = await self._found(SECRETS, change.client, secret_name(change.name))
        wrong = objection_to_push_config(push_config) or objection_to_secret(secret)
        if wrong is not None:
            raise ChangeRefusedError(wrong)
        values = {} if secret is None else secret_of(secret).values
        spec = {} if push_config is None else push_config.get("spec") or {}
        label = resource.spec.secrets.required_label
        labels = {} if label is None else {label.name: label.value}
        made = manifests_of(change, current_in(change.name, spec, values), labels=labels)
        known = self._state.compiler.definitions.known(server)
        refused, warned = objections(made, egress=compile_egress(resource.spec), known=known)
        if refused:
            raise ChangeRefusedError("; ".join(refused))
        await self._write(change, made, push_config, secret)
        return "; ".join(warned)

    async def _write(
        self, change: PortalChange, made: ChangeManifests, push_config: Body | None, secret: Body | None
    ) -> None:
        """First add the new values to the Secret, then switch the PushConfig to them, then remove the old values."""
        if made.secret is not None:
            former = {} if secret is None else secret.get("data") or {}
            secret = await self._put(SECRETS, {**made.secret, "data": former | made.secret["data"]}, secret)
        await self._put(PUSH_CONFIGS, made.push_config, push_config)
        if secret is not None and (secret.get("data") or {}).keys() != made.values.keys():
            labels = secret["metadata"].get("labels")
            await self._put(SECRETS, made.secret or secret_manifest(change, {}, labels=labels), secret)

    async def _put(self, api: Api, body: Body, found: Body | None) -> Body:
        """Create or apply an object. A change since ``found`` was read is a conflict, and is never overwritten."""
        metadata = body["metadata"]
        if found is None:
            found = await self._cluster.create(api, body, manager=PORTAL_MANAGER)
            return await self._adopt(api, found)
        if needs_adoption(found):
            found = await self._adopt(api, found)
        exact = {**metadata, "uid": found["metadata"]["uid"], "resourceVersion": found["metadata"]["resourceVersion"]}
        return await self._cluster.apply(api, {**body, "metadata": exact}, manager=PORTAL_MANAGER, force=False)

    async def _adopt(self, api: Api, found: Body) -> Body:
        metadata = found["metadata"]
        fields = {"managedFields": adopted(found), "resourceVersion": metadata["resourceVersion"]}
        return await self._cluster.patch(api, metadata["namespace"], metadata["name"], {"metadata": fields})

    async def _found(self, api: Api, namespace: str, name: str) -> Body | None:
        try:
            return await self._cluster.get(api, namespace, name)
        except NotFoundError:
            return None

    def _context(self, server: Resource, change: PortalChange) -> ChangeContext:
        cache, references = self._state.cache, self._state.compiler.references
        client, name = change.client, server.full_name
        items = [cache.items.get(key) for key in cache.webhooks(client)]
        tenants = [cache.tenant(item) for item in items if item is not None]
        pushes = [cache.items.get(Key(Kind.PUSH, client, push)) for push in cache.push_configs(client)]
        is_allowed = serves_namespace(server, client, cache.labels.get(client, {}))
        return ChangeContext(
            edits=allows_edit(cache.server(name)),
            is_served=is_allowed and name in references.servers(client),
            is_used=references.is_used(client, change.name),
            namespace_uids=frozenset("" if tenant is None else tenant.uid for tenant in tenants),
            created=frozenset(item.key.name for item in pushes if item is not None and item.portal),
        )


class InvalidServerError(Exception):
    """The WebhookServer of a change has an invalid spec, so nothing can be checked."""


_NO_RIGHT: Final = (
    "the platform's operator may not write PushConfigs: its people must set portal.edit of the chart, then send the"
    " change again"
)
