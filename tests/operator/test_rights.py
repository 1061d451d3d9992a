"""The chart's role is enough, every part of it is used, and without any rule of it something fails.

On an API server of its own, with the kinds of the Gateway API and of the Prometheus operator, whose audit log tells
what the operator asked for.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.fixtures import ROOT, install_kinds
from kube.rig.control_plane import ControlPlane
from kube.rig.modules import GATEWAY, PROMETHEUS, module_file
from support import objects
from support.claims import bound_claim
from support.operating import Client, FakePod, client, fake_pod, operating, options

ACCOUNT = "system:serviceaccount:trackpush:"
Rule = dict[str, Any]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server that writes an audit log, with the chart's account in it."""
    made = ControlPlane(tmp_path_factory.mktemp("rights") / "state")
    made.audit()
    try:
        made.start()
        install_kinds(made)
        for module, path in (GATEWAY, PROMETHEUS):
            made.kubectl("apply", "--server-side", "-f", str(module_file(module, path)))
        made.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        made.kubectl("create", "namespace", "trackpush")
        yield made
    finally:
        made.stop()


def rendered(helm: Path, release: str = "trackpush", **values: Any) -> list[dict[str, Any]]:
    """The account and its rights, as the chart makes them."""
    command = [str(helm), "template", release, str(ROOT / "helm/trackpush"), "-n", "trackpush", "-f", "-"]
    values = {"rbac": {"aggregate": False}, **values}  # rights of people, not of the operator
    done = subprocess.run(command, input=yaml.safe_dump(values), check=True, capture_output=True, text=True)
    kinds = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    return [document for document in yaml.safe_load_all(done.stdout) if document and document["kind"] in kinds]


@pytest.fixture
def kubeconfig(plane: ControlPlane, helm: Path, tmp_path: Path) -> Path:
    """What the chart's account uses, its rights as they should be."""
    plane.apply(yaml.safe_dump_all(rendered(helm)))
    return _as_account(plane, "trackpush", tmp_path)


def _as_account(plane: ControlPlane, account: str, tmp_path: Path) -> Path:
    token = plane.kubectl("-n", "trackpush", "create", "token", account).stdout.strip()
    found = yaml.safe_load(plane.kubeconfig.read_text())
    found["users"][0]["user"] = {"token": token}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(found))
    return file


@pytest.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[Client]:
    """Acts as users and kubelets do."""
    async with client(plane.kubeconfig) as acting:
        yield acting


async def everything(
    admin: Client,
    kubeconfig: Path,
    namespace: str,
    *,
    seconds: float = 20.0,
    unused: Callable[[], set[tuple[str, str, str]]] = set,
    lease: str = "trackpush",
    alone: bool = False,
) -> None:
    """A run in which the operator does all that it ever does; it goes on until no right is `unused`.

    ``alone``: it serves that namespace only, by Roles.
    """
    parents = {"parentRefs": [{"name": "edge"}]}
    server = objects.server(namespace=namespace, expose={"httpRoute": parents})
    await bound_claim(admin, namespace, can_grow=True)
    async with fake_pod(f"{namespace}/main") as pod, operating(
        options(kubeconfig, namespace, namespaces=(namespace,) if alone else (), operator_namespace="trackpush",
                lease_namespace="trackpush", lease_name=lease)
    ):  # fmt: skip
        await admin.create(server, objects.secret(namespace=namespace, **{"in": "key-of-acme-1", "out": "s"}))
        await admin.create(objects.push(namespace=namespace), objects.webhook(namespace=namespace))
        await admin.create(objects.push("broken", namespace, held_in="none"), objects.definition(namespace=namespace))

        async def is_told() -> bool:
            return ("Warning", "SecretNotFound") in await admin.events(namespace)

        await admin.until(is_told, wanted=True, seconds=seconds)
        await admin.until_exists("HTTPRoute", namespace, "main")
        await admin.pod(objects.pod("by-hand", namespace=namespace, ip="127.0.0.1", port=pod.port))

        async def is_served() -> bool:
            pod.files = {name: shard.revision for name, shard in (await admin.shards(namespace, "main")).items()}
            found = await admin.conditions("AggregatorWebhook", namespace, "clickpost")
            return found.get("Programmed") == "True Programmed"

        async def is_touched() -> bool:
            found = await admin.get("Pod", namespace, "by-hand")
            return found is not None and "trackpush.dev/routing" in found["metadata"].get("annotations", {})

        await admin.until(is_served, wanted=True, seconds=seconds)
        await admin.secret(namespace, "keys", out="s-2")
        await admin.until(is_touched, wanted=True, seconds=seconds)
        await admin.patch("WebhookServer", namespace, "main", spec={"expose": {"httpRoute": None, "ingress": {}}})
        await admin.until_exists("HTTPRoute", namespace, "main", exists=False)
        await admin.until_exists("Ingress", namespace, "main")
        await admin.patch("WebhookServer", namespace, "main", spec={"expose": {"ingress": None, "none": {}}})
        await admin.until_exists("Ingress", namespace, "main", exists=False)
        for kind, name in (("Service", "main"), ("ServiceAccount", "main"), ("NetworkPolicy", "main")):
            await admin.patch(kind, namespace, name, metadata={"labels": {"somebody": "else"}})
        before = await admin.get("StatefulSet", namespace, "main")
        assert before is not None
        await admin.patch("WebhookServer", namespace, "main", spec={"storage": {"sqlite": {"size": "20Gi"}}})

        async def is_made_anew() -> bool:
            found = await admin.get("StatefulSet", namespace, "main")
            return found is not None and found["metadata"]["uid"] != before["metadata"]["uid"]

        await admin.until(is_made_anew, wanted=True, seconds=seconds)
        await change_storage(admin, namespace)
        await admin.until(lambda: asyncio.to_thread(unused), set(), seconds=60)  # kopf tries refused watches again


async def change_storage(admin: Client, namespace: str) -> None:
    """To PostgreSQL with an autoscaler, without it, and back."""
    await admin.create(objects.secret("db", namespace, dsn="postgresql://h/d"))
    await admin.patch("WebhookServer", namespace, "main", spec={"suspend": True})
    postgres = {"sqlite": None, "postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}
    await admin.patch("WebhookServer", namespace, "main", spec={"storage": postgres})
    await admin.until_exists("StatefulSet", namespace, "main", exists=False)
    await admin.patch("WebhookServer", namespace, "main", spec={"autoscaling": {"maxReplicas": 4}, "suspend": False})
    await admin.until_exists("HorizontalPodAutoscaler", namespace, "main")
    await admin.patch("WebhookServer", namespace, "main", spec={"autoscaling": None, "suspend": True})
    await admin.until_exists("HorizontalPodAutoscaler", namespace, "main", exists=False)
    await admin.patch("WebhookServer", namespace, "main", spec={"storage": {"sqlite": {}, "postgres": None}})
    await admin.until_exists("Deployment", namespace, "main", exists=False)


def parts(rules: list[Rule]) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of all rules."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(
    plane: ControlPlane, namespaces: set[str], account: str = "trackpush"
) -> tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    """What the operator asked for in these namespaces (and everywhere), and what of it was forbidden."""
    used, forbidden = set(), set()
    for event in plane.audited(ACCOUNT + account):
        reference = event.get("objectRef")
        if reference is None or reference.get("namespace", "") not in {"", *namespaces}:
            continue
        resource = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
        part = (reference.get("apiGroup", ""), resource, event["verb"])
        code = event.get("responseStatus", {}).get("code")
        (forbidden if code == 403 else used).add(part)
        if code == 201 and event["verb"] == "patch":  # applied anew: both rights were asked for
            used.add((part[0], part[1], "create"))
    return used, forbidden


async def test_the_role_is_enough_and_all_of_it_is_used(
    plane: ControlPlane, helm: Path, kubeconfig: Path, admin: Client
) -> None:
    plane.kubectl("create", "namespace", "whole")
    rules = [rule for role in rendered(helm) if role["kind"] in {"ClusterRole", "Role"} for rule in role["rules"]]
    seen = {"whole", "trackpush"}
    await everything(admin, kubeconfig, "whole", unused=lambda: parts(rules) - asked(plane, seen)[0])
    _, forbidden = asked(plane, seen)
    assert forbidden == set()


async def test_roles_alone_are_enough_for_a_list_of_namespaces_and_all_of_them_are_used(
    plane: ControlPlane, helm: Path, admin: Client, tmp_path: Path
) -> None:
    plane.kubectl("create", "namespace", "alone")
    objects_ = rendered(helm, "trackpush-alone", watch={"namespaces": ["alone"]})
    plane.apply(yaml.safe_dump_all(objects_))
    kubeconfig = _as_account(plane, "trackpush-alone", tmp_path)
    assert not [role for role in objects_ if role["kind"] == "ClusterRole" and _holds_data(role)]
    rules = [rule for role in objects_ if role["kind"] in {"ClusterRole", "Role"} for rule in role["rules"]]
    seen = {"alone", "trackpush"}

    def unused() -> set[tuple[str, str, str]]:
        return parts(rules) - asked(plane, seen, "trackpush-alone")[0]

    await everything(admin, kubeconfig, "alone", unused=unused, lease="trackpush-alone", alone=True)
    _, forbidden = asked(plane, seen, "trackpush-alone")
    assert forbidden == set()


def _holds_data(role: Rule) -> bool:
    return any(resource in {"secrets", "pods"} for rule in role["rules"] for resource in rule["resources"])


def clusterwide(helm: Path) -> dict[str, Any]:
    """The ClusterRole."""
    (role,) = [role for role in rendered(helm) if role["kind"] == "ClusterRole"]
    return role


RULES = 15


async def test_without_any_rule_something_that_the_operator_asks_for_is_forbidden(
    plane: ControlPlane, helm: Path, admin: Client
) -> None:
    """All of the rules' parts are asked for, as a test above sees; here the API server's own judgement of each."""
    plane.kubectl("create", "namespace", "lacking")
    role = clusterwide(helm)
    assert len(role["rules"]) == RULES
    users = range(RULES + 1)  # the last of whom lacks none
    plane.apply(yaml.safe_dump_all(missing for number in users for missing in _lacking(role, number)))

    async def forbidden(number: int, rules: list[Rule]) -> set[tuple[str, str, str]]:
        return await asyncio.to_thread(_refused, plane, f"lacking-{number}", parts(rules))

    await admin.until(lambda: forbidden(RULES, role["rules"]), set(), seconds=20)
    for number, rule in enumerate(role["rules"]):
        assert await forbidden(number, [rule]), f"rule {number} gives nothing that no other gives: {rule}"


def _lacking(role: Rule, number: int) -> list[Rule]:
    """The role without one of its rules, for a user of that name."""
    metadata = {"name": f"lacking-{number}"}
    rules = [rule for place, rule in enumerate(role["rules"]) if place != number]
    group = {"apiGroup": "rbac.authorization.k8s.io"}
    return [
        {**role, "metadata": metadata, "rules": rules},
        {
            "apiVersion": role["apiVersion"],
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {**group, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{**group, "kind": "User", "name": metadata["name"]}],
        },
    ]


def _refused(plane: ControlPlane, user: str, wanted: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Which of these a user may not do."""
    asking = sorted(wanted)
    reviews = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "resourceAttributes": {
                    "namespace": "lacking",
                    "group": group,
                    "resource": resource.partition("/")[0],
                    "subresource": resource.partition("/")[2],
                    "verb": verb,
                },
            },
        }
        for group, resource, verb in asking
    ]
    how = ("-o", 'jsonpath={.status.allowed}{"\\n"}')
    answers = plane.kubectl("create", "-f", "-", *how, stdin=yaml.safe_dump_all(reviews)).stdout.split()
    assert set(answers) <= {"true", "false"}, answers
    return {part for part, answer in zip(asking, answers, strict=True) if answer == "false"}


async def test_a_rule_that_is_missing_is_seen_in_what_is_forbidden(
    plane: ControlPlane, helm: Path, kubeconfig: Path, admin: Client
) -> None:
    lacking = clusterwide(helm)
    removed = lacking["rules"].pop()
    plane.apply(yaml.safe_dump(lacking))
    plane.kubectl("create", "namespace", "missing")
    run = asyncio.create_task(everything(admin, kubeconfig, "missing", seconds=60))
    try:

        async def is_forbidden() -> bool:
            if run.done():
                run.result()
            _, forbidden = await asyncio.to_thread(asked, plane, {"missing"})
            return bool(parts([removed]) & forbidden)

        await admin.until(is_forbidden, wanted=True, seconds=40)
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


PORTAL_RIGHTS = {("trackpush.dev", "pushconfigs", verb) for verb in ("get", "create", "patch")}


async def outcome_of_a_change(
    admin: Client, kubeconfig: Path, namespace: str, lease: str = "trackpush"
) -> dict[str, Any]:
    """Ask for two changes of a PushConfig in the portal, and return what became of the last one."""
    async with fake_pod(f"{namespace}/main") as pod, operating(
        options(kubeconfig, namespace, namespaces=(), operator_namespace="trackpush", lease_namespace="trackpush",
                lease_name=lease)
    ):  # fmt: skip
        server = objects.server(namespace=namespace, portal={"host": "portal.example.com", "edit": True})
        await admin.create(server, objects.secret(namespace=namespace, **{"in": "key-of-acme-1"}))
        await admin.create(objects.webhook(namespace=namespace, pushConfigRefs=[{"name": "oms"}]))
        await admin.pod(objects.pod("by-hand", namespace=namespace, ip="127.0.0.1", port=pod.port))
        uid = (await admin.get("Namespace", None, namespace) or {})["metadata"]["uid"]
        for number in (1, 2):
            change = {
                "id": f"chg_{number:032x}", "client": namespace, "namespaceUid": uid, "name": "oms",
                "url": f"https://{number}.example/", "headers": [{"name": "X-Key", "value": f"k-{number}"}],
            }  # fmt: skip
            pod.changes = [{"id": change["id"], "pushConfig": f"{namespace}/oms", "change": change}]
            await admin.until(lambda: _is_ended(pod, number), wanted=True, seconds=60)  # noqa: B023  awaited here
    return pod.outcomes[f"chg_{2:032x}"][0]


async def _is_ended(pod: FakePod, number: int) -> bool:
    return f"chg_{number:032x}" in pod.outcomes


async def test_portal_edit_grants_three_rights_and_changes_use_all_of_them(
    plane: ControlPlane, helm: Path, admin: Client, tmp_path: Path
) -> None:
    plane.kubectl("create", "namespace", "editing")
    objects_ = rendered(helm, "trackpush-edit", portal={"edit": True})
    plane.apply(yaml.safe_dump_all(objects_))
    (role,) = [role for role in objects_ if role["kind"] == "ClusterRole"]
    assert parts(role["rules"]) - parts(clusterwide(helm)["rules"]) == PORTAL_RIGHTS
    outcome = await outcome_of_a_change(
        admin, _as_account(plane, "trackpush-edit", tmp_path), "editing", "trackpush-edit"
    )
    assert outcome == {"state": "applied", "message": ""}
    used, forbidden = asked(plane, {"editing", "trackpush"}, "trackpush-edit")
    assert (PORTAL_RIGHTS - used, forbidden) == (set(), set())


async def test_without_portal_edit_a_change_is_refused_and_says_what_is_missing(
    plane: ControlPlane, kubeconfig: Path, admin: Client
) -> None:
    plane.kubectl("create", "namespace", "not-editing")
    outcome = await outcome_of_a_change(admin, kubeconfig, "not-editing")
    assert (outcome["state"], "portal.edit of the chart" in outcome["message"]) == ("refused", True)
    assert await admin.get("PushConfig", "not-editing", "oms") is None
    assert await admin.get("Secret", "not-editing", "trackpush-portal-oms") is None
