"""Finds the resources to decide again after an object changed. Pure: reads only the store."""

from typing import Any

import msgspec

from trackpush_operator.store.objects import Item, Key, Kind, resource_of, server_key
from trackpush_operator.store.resources import ResourceCache


def after_item(cache: ResourceCache, old: Item | None, new: Item | None) -> set[Key]:
    """Resources to decide after a resource changed; the store has the new state."""
    item = new or old
    assert item is not None
    if old is not None and new is not None and _content(old) == _content(new):
        return {item.key} if old.generation != new.generation else set()
    keys = {item.key}
    if item.key.kind is Kind.PUSH and (old is None or new is None):
        keys |= cache.senders(item.key)
    elif item.key.kind is Kind.SERVER:
        keys |= _after_server(cache, old, new)
    return keys


def _content(item: Item) -> tuple[object, ...]:
    """The parts of a resource that decisions about it depend on."""
    return item.uid, item.spec, item.created, item.portal


def after_labels(cache: ResourceCache, namespace: str) -> set[Key]:
    """Resources to decide after a namespace's labels changed."""
    return set(cache.webhooks(namespace))


def after_tenant(cache: ResourceCache, namespace: str) -> set[Key]:
    """Resources to decide after a namespace's annotation changed, or another namespace object has its name."""
    return after_labels(cache, namespace) | {Key(Kind.PUSH, namespace, name) for name in cache.push_configs(namespace)}


def _after_server(cache: ResourceCache, old: Item | None, new: Item | None) -> set[Key]:
    item = new or old
    assert item is not None
    keys = {server_key(name) for name in cache.servers}  # two servers may claim the same host
    if old is not None and new is not None and _tenancy(old) == _tenancy(new):
        return keys
    webhooks = cache.webhooks_of(item.key.full_name)
    keys |= webhooks
    keys |= {Key(Kind.DEFINITION, item.key.namespace, name) for name in cache.definitions(item.key.namespace)}
    keys |= cache.pushes_without_webhooks()  # the egress rules of every server apply to their addresses
    for namespace in {webhook.namespace for webhook in webhooks}:
        keys |= {Key(Kind.PUSH, namespace, name) for name in cache.push_configs(namespace)}
    return keys


def _tenancy(server: Item) -> tuple[Any, ...]:
    """The parts of a WebhookServer that its clients' resources depend on."""
    spec = msgspec.json.decode(server.spec)
    valid = resource_of(server)[0].spec is not None
    return (
        server.uid,
        valid,
        *(
            spec.get(name)
            for name in ("allowedNamespaces", "egress", "hosts", "basePath", "expose", "suspend", "secrets")
        ),
    )
