"""A resource belongs to the namespace object that it was created in, whatever order the operator sees them in."""

import pytest

from trackpush_api.routing import Tenant
from trackpush_operator.store.namespace_uids import TAKES_OVER, NamespaceObject, NamespaceUids, namespace_object

OLD, NEW = NamespaceObject("ns-1"), NamespaceObject("ns-2")


def looked(uids: NamespaceUids, found: NamespaceObject, begun: int) -> None:
    """A look at namespace acme ends."""
    uids.take("acme", found)
    uids.looked("acme", found.uid, begun)


def test_a_look_says_nothing_of_resources_that_were_first_seen_after_it_began() -> None:
    uids = NamespaceUids()
    uids.see("acme", "first")
    begun = uids.now()
    uids.see("acme", "second")
    looked(uids, OLD, begun)
    assert not uids.is_waiting("acme", "first")
    assert uids.is_waiting("acme", "second")
    assert uids.tenant("acme", "second") is None
    looked(uids, NEW, uids.now())
    assert uids.tenant("acme", "first") == Tenant(uid="ns-1")
    assert uids.tenant("acme", "second") == Tenant(uid="ns-2")


def test_a_resource_stays_with_its_namespace_object_when_it_is_seen_again() -> None:
    uids = NamespaceUids()
    uids.see("acme", "first")
    looked(uids, OLD, uids.now())
    uids.see("acme", "first")
    assert not uids.is_waiting("acme", "first")
    looked(uids, NEW, uids.now())
    assert uids.tenant("acme", "first") == Tenant(uid="ns-1")


def test_a_resource_whose_namespace_may_not_be_read_is_bound_to_none() -> None:
    uids = NamespaceUids()
    uids.see("acme", "first")
    uids.looked("acme", "", uids.now())
    assert not uids.is_waiting("acme", "first")
    assert uids.tenant("acme", "first") is None


def test_only_resources_of_the_annotated_namespace_object_take_over() -> None:
    uids = NamespaceUids()
    uids.see("acme", "first")
    looked(uids, OLD, uids.now())
    uids.see("acme", "second")
    looked(uids, NamespaceObject("ns-2", "ns-1"), uids.now())
    assert uids.tenant("acme", "first") == Tenant(uid="ns-1")
    assert uids.tenant("acme", "second") == Tenant(uid="ns-2", takes_over="ns-1")


@pytest.mark.parametrize(
    ("value", "former"), [("6f1c-01", "6f1c-01"), (" 6f1c-01\n", "6f1c-01"), ("acme/oms", None), ("", None)]
)
def test_an_annotation_that_can_be_no_uid_is_ignored(value: str, former: str | None) -> None:
    body = {"metadata": {"uid": "ns-2", "annotations": {TAKES_OVER: value}}}
    assert namespace_object(body) == NamespaceObject("ns-2", former)
