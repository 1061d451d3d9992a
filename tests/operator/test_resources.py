"""The cache takes old news for what they are, keeps only what matters, and knows who names what."""

from typing import Any

import pytest

from support import objects
from trackpush_operator.store.objects import Key, Kind, child_of, item_of, pod_of
from trackpush_operator.store.pods_and_children import PodsAndChildren
from trackpush_operator.store.resources import ResourceCache
from trackpush_operator.store.tombstones import Tombstones

KEY = Key(Kind.PUSH, "acme", "oms")


@pytest.fixture
def tombstones() -> Tombstones:
    return Tombstones()


@pytest.fixture
def cache(tombstones: Tombstones) -> ResourceCache:
    return ResourceCache(tombstones)


def test_older_news_are_dropped(cache: ResourceCache) -> None:
    first = objects.made(objects.push())
    second = objects.changed(first, spec={"url": "https://b.example"})
    assert cache.take_item(Kind.PUSH, second) is not None
    assert cache.take_item(Kind.PUSH, first) is None
    assert cache.take_item(Kind.PUSH, second) is None
    assert cache.drop_item(KEY, int(first["metadata"]["resourceVersion"])) is None
    assert KEY in cache.items


def test_a_list_that_began_before_a_deletion_doesnt_bring_the_object_back(
    cache: ResourceCache, tombstones: Tombstones
) -> None:
    body = objects.made(objects.push())
    with tombstones.remembered():
        cache.take_item(Kind.PUSH, body)
        assert cache.drop_item(KEY, int(body["metadata"]["resourceVersion"]) + 1) is not None
        assert cache.take_item(Kind.PUSH, body) is None
        again = objects.made(objects.push())
        again["metadata"]["resourceVersion"] = str(int(body["metadata"]["resourceVersion"]) + 2)
        assert cache.take_item(Kind.PUSH, again) is not None


def test_who_names_a_secret_is_known_from_valid_and_invalid_specs(cache: ResourceCache) -> None:
    cache.take_item(Kind.PUSH, objects.made(objects.push()))
    broken = objects.push("broken", delivery={"timeout": "soon"})
    cache.take_item(Kind.PUSH, objects.made(broken))
    assert {key.name for key in cache.naming(("acme", "keys"))} == {"oms", "broken"}
    assert cache.unread_secrets(KEY) == [("acme", "keys")]
    assert cache.take_secret(objects.made(objects.secret(out="s-1")))
    assert cache.unread_secrets(KEY) == []


def test_a_secret_with_the_same_values_is_not_a_change(cache: ResourceCache) -> None:
    cache.take_item(Kind.PUSH, objects.made(objects.push()))
    body = objects.made(objects.secret(out="s-1"))
    assert cache.take_secret(body)
    assert not cache.take_secret(objects.changed(body))
    assert cache.take_secret(objects.changed(body, data=objects.secret(out="s-2")["data"]))
    assert cache.drop_secret(("acme", "keys"), 10**9)
    assert not cache.take_secret(objects.changed(body))


def test_nothing_of_a_secret_that_nobody_names_is_kept(cache: ResourceCache) -> None:
    assert not cache.take_secret(objects.made(objects.secret(out="s-1")))
    assert cache.secrets == {}


def test_the_secrets_of_a_pod_template_are_not_read() -> None:
    env = {"valueFrom": {"secretKeyRef": {"name": "theirs", "key": "x"}}}
    spec: dict[str, Any] = {"podTemplate": {"spec": {"containers": [{"env": [env]}]}}}
    assert item_of(Kind.SERVER, objects.made(objects.server(**spec))).links.secrets == ()


def test_an_object_without_a_status_is_smaller_than_what_the_api_server_shows() -> None:
    body = objects.made(objects.push())
    body["metadata"]["managedFields"] = [{"fieldsV1": {f"f:{number}": {} for number in range(1000)}}]
    item = item_of(Kind.PUSH, body)
    assert len(item.spec) + len(item.status) < 500


def test_a_childs_status_is_not_drift_and_anything_else_is() -> None:
    labels = {"app.kubernetes.io/instance": "main", "app.kubernetes.io/managed-by": "trackpush-operator"}
    body = objects.made({"metadata": {"name": "main", "labels": labels}, "spec": {"replicas": 1}, "status": {}})
    owned = PodsAndChildren(Tombstones())
    assert owned.take_child("StatefulSet", body) == {"default/main"}
    body["metadata"]["resourceVersion"] = "999999"
    assert owned.take_child("StatefulSet", {**body, "status": {"readyReplicas": 1}}) == set()
    body["metadata"]["resourceVersion"] = "9999999"
    assert owned.take_child("StatefulSet", {**body, "spec": {"replicas": 2}}) == {"default/main"}


def test_a_child_whose_label_is_changed_concerns_both_servers() -> None:
    label = "app.kubernetes.io/instance"
    body = objects.made({"metadata": {"name": "main", "labels": {label: "main"}}})
    owned = PodsAndChildren(Tombstones())
    owned.take_child("Service", body)
    moved = objects.changed(body)
    moved["metadata"]["labels"] = {label: "other"}
    assert owned.take_child("Service", moved) == {"default/main", "default/other"}
    assert list(owned.children.of("default/main")) == []


@pytest.mark.parametrize(
    ("change", "address", "is_ready"),
    [
        ({}, "127.0.0.2:8081", True),
        ({"status": {"podIP": "fd00::1", "conditions": []}}, "[fd00::1]:8081", False),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, None, True),
        ({"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 1}]}]}}, None, True),
    ],
)
def test_a_pod(change: dict[str, Any], address: str | None, *, is_ready: bool) -> None:
    pod = pod_of(objects.made({**objects.pod("a"), **change}))
    assert (pod.address, pod.ready, pod.instance) == (address, is_ready, "main")


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    body = objects.made(objects.pod("a"))
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not pod_of(body).ready


def test_a_pods_heartbeat_is_not_a_change() -> None:
    owned = PodsAndChildren(Tombstones())
    body = objects.made(objects.pod("a"))
    assert owned.take_pod(body) == {"trackpush/main"}
    assert owned.take_pod(objects.changed(body)) == set()
    assert owned.take_pod(objects.changed(body, status={"podIP": "127.0.0.2"})) == {"trackpush/main"}


def test_a_child_knows_whether_a_server_owns_it() -> None:
    body = objects.made({"metadata": {"name": "main"}})
    assert not child_of(body, "Service").is_owned
    body["metadata"]["ownerReferences"] = [{"kind": "WebhookServer", "uid": "u"}]
    assert child_of(body, "Service").is_owned
