"""`kubectl trackpush` on a real API server: finds the server, shows conditions, and says what is missing."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.fixtures import ApiServer
from support import objects
from support.command import Result, invoked
from trackpush_cli.cluster.access import ClusterAccess, ClusterFlags
from trackpush_cli.cluster.finding import PodPort
from trackpush_cli.cluster.forward import ForwardedConnection
from trackpush_cli.cluster.impersonation import Impersonation

Run = Callable[..., Any]


@pytest.fixture
def run(api_server: ApiServer) -> Run:
    """A command as the cluster's admin, or with another kubeconfig."""

    async def command(*arguments: str, kubeconfig: Path | None = None) -> Result:
        return await invoked(*arguments, "--kubeconfig", str(kubeconfig or api_server.kubeconfig))

    return command


def put(api_server: ApiServer, namespace: str, *bodies: dict[str, Any]) -> None:
    """Make objects in a namespace."""
    moved = [{**body, "metadata": {**body["metadata"], "namespace": namespace}} for body in bodies]
    api_server.apply(yaml.safe_dump_all(moved))


def conditions(api_server: ApiServer, namespace: str, what: str, **found: str) -> None:
    """Set conditions as the operator does: type → ``False Reason``."""
    listed = [
        {
            "type": kind,
            "status": text.split()[0],
            "reason": text.split()[1],
            "message": f"told by the test: {text.split()[1]}",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind, text in found.items()
    ]
    patch = json.dumps({"status": {"conditions": listed}})
    api_server.kubectl("-n", namespace, "patch", what, "--subresource=status", "--type=merge", "-p", patch)


async def test_status_shows_conditions_of_all_kinds_and_servers_without_a_pod(
    run: Run, api_server: ApiServer, namespace: str
) -> None:
    put(api_server, namespace, objects.server(), objects.webhook(), objects.push())
    conditions(api_server, namespace, "whs/main", Ready="False NoReadyPods", Programmed="False NoReadyPods")
    conditions(
        api_server, namespace, "aggregatorwebhook/clickpost", Ready="False KeyConflict", Accepted="False KeyConflict"
    )
    conditions(api_server, namespace, "pushconfig/oms", Ready="True Ready", Accepted="True Accepted")

    result = await run("status", "-n", namespace, "-o", "json")
    shown = await run("status", "-n", namespace)

    found = {(finding["kind"], finding["reason"]) for finding in result.json["findings"]}
    assert (result.exit_code, found) == (1, {("WebhookServer", "NoReadyPods"), ("AggregatorWebhook", "KeyConflict")})
    assert result.json["servers"][0]["pods"] == 0
    assert "told by the test: KeyConflict" in shown.stdout


async def test_a_server_must_be_named_where_there_are_several_and_must_exist(
    run: Run, api_server: ApiServer, namespace: str
) -> None:
    none = await run("erase", "--list", "-n", namespace)
    put(api_server, namespace, objects.server("one"), objects.server("two", hosts=[]))
    several = await run("erase", "--list", "-n", namespace)
    named = await run("erase", "--list", "--server", f"{namespace}/three")
    podless = await run("erase", "--list", "-n", namespace, "--server", "one")

    assert {none.exit_code, several.exit_code, named.exit_code, podless.exit_code} == {2}
    assert f"no WebhookServer in namespace {namespace}" in none.stderr
    assert f"{namespace}/one, {namespace}/two); name one with --server" in several.stderr
    assert "webhookservers" in named.stderr
    assert f"Secret {namespace}/one-admin-token has no token" in podless.stderr


async def test_a_user_without_rights_learns_which_ones_to_request(
    run: Run, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    put(api_server, namespace, objects.server())
    nobody = user(api_server, namespace, "nobody", tmp_path)
    reader = user(api_server, namespace, "reader", tmp_path, verbs="get,list", what="webhookservers.trackpush.dev,pods")

    refused = await run("erase", "--list", "--server", f"{namespace}/main", kubeconfig=nobody)
    no_token = await run("erase", "--list", kubeconfig=reader)
    (tmp_path / "token").write_text("t")
    given = await run("erase", "--list", "--token-file", str(tmp_path / "token"), kubeconfig=reader)

    assert "you may not get webhookservers" in refused.stderr
    assert f"you may not read Secret {namespace}/main-admin-token" in no_token.stderr
    assert "--token-file" in no_token.stderr
    assert "has no running pod" in given.stderr, "the token is not asked for, and the context's namespace is looked in"


def user(api_server: ApiServer, namespace: str, name: str, folder: Path, *, verbs: str = "", what: str = "") -> Path:
    """A kubeconfig of an account with these rights in its namespace."""
    api_server.kubectl("-n", namespace, "create", "serviceaccount", name)
    if verbs:
        api_server.kubectl("-n", namespace, "create", "role", name, f"--verb={verbs}", f"--resource={what}")
        account = f"--serviceaccount={namespace}:{name}"
        api_server.kubectl("-n", namespace, "create", "rolebinding", name, f"--role={name}", account)
    token = api_server.kubectl("-n", namespace, "create", "token", name).stdout.strip()
    content = yaml.safe_load(api_server.kubeconfig.read_text())
    content["users"] = [{"name": name, "user": {"token": token}}]
    context = {"cluster": content["clusters"][0]["name"], "user": name, "namespace": namespace}
    content |= {"contexts": [{"name": "test", "context": context}], "current-context": "test"}
    file = folder / f"{name}.kubeconfig"
    file.write_text(yaml.safe_dump(content))
    return file


async def test_doctor_examines_what_the_cluster_holds(run: Run, api_server: ApiServer, namespace: str) -> None:
    missing = objects.webhook(serverRef={"name": "main"}, held_in="nowhere")
    fine = objects.webhook("shipway", aggregator="Shipway", serverRef={"name": "main"})
    put(api_server, namespace, objects.server(), objects.secret("keys", **{"in": "k" * 16, "out": "o"}))
    put(api_server, namespace, missing, fine, objects.push(url="https://10.1.2.3/inside"))

    result = await run("doctor", "-n", namespace, "--connect", "127.0.0.1:1", "-o", "json")

    failed = {(check["check"], check["subject"]) for check in result.json["checks"] if check["result"] == "fail"}
    fine_ones = {check["subject"] for check in result.json["checks"] if check["result"] == "ok"}
    assert result.exit_code == 1
    assert ("secrets", f"AggregatorWebhook {namespace}/clickpost") in failed
    assert ("resources", f"PushConfig {namespace}/oms") in failed  # a private address can never be pushed to
    assert ("tcp", "saas.increff.com") in failed
    assert f"AggregatorWebhook {namespace}/shipway" in fine_ones


async def test_without_a_kubeconfig_it_says_what_else_there_is(tmp_path: Path) -> None:
    result = await invoked("status", "--kubeconfig", str(tmp_path / "none"))

    assert result.exit_code == 2
    assert "set KUBECONFIG, or pass --kubeconfig and --context" in result.stderr


def acting_as(api_server: ApiServer, folder: Path, **fields: Any) -> Path:
    """The admin's kubeconfig, whose user impersonates somebody."""
    whole = yaml.safe_load(api_server.kubeconfig.read_text())
    whole["users"][0]["user"] |= {name.replace("_", "-"): value for name, value in fields.items()}
    file = folder / "impersonating"
    file.write_text(yaml.safe_dump(whole))
    return file


async def test_a_kubeconfig_that_impersonates_somebody_gives_his_rights_only(
    run: Run, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    put(api_server, namespace, objects.server())
    reader = ("--verb=list,get", "--resource=webhookservers.trackpush.dev,aggregatorwebhooks.trackpush.dev")
    api_server.kubectl("create", "role", "reader", *reader, "-n", namespace)
    api_server.kubectl("create", "rolebinding", "readers", "--role=reader", "--group=readers", "-n", namespace)
    bob = acting_as(api_server, tmp_path, **{"as": "bob"})
    refused = await run("erase", "--list", "-n", namespace, kubeconfig=bob)
    assert refused.exit_code == 2
    assert "you may not list webhookservers: " in refused.stderr
    assert 'User "bob" cannot' in refused.stderr

    grouped = acting_as(api_server, tmp_path, **{"as": "bob", "as_groups": ["none", "readers"], "as_uid": "7"})
    found = await run("erase", "--list", "-n", namespace, kubeconfig=grouped)
    assert "you may not get secrets" in found.stderr, "the server was found, and its token is refused"


async def test_flags_impersonate_and_win_over_the_kubeconfig(
    run: Run, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    put(api_server, namespace, objects.server())
    bob = acting_as(api_server, tmp_path, **{"as": "bob"})
    alice = await run("erase", "--list", "-n", namespace, "--as", "alice", "--as-group", "a", kubeconfig=bob)
    assert 'User "alice" cannot' in alice.stderr
    masters = await run("erase", "--list", "-n", namespace, "--as", "root", "--as-group", "system:masters")
    assert "you may not" not in masters.stderr
    lonely = await run("erase", "--list", "-n", namespace, "--as-group", "a")
    assert (lonely.exit_code, "pass --as" in lonely.stderr) == (2, True)


def test_the_tunnel_to_a_pod_is_opened_as_the_impersonated_user(api_server: ApiServer, namespace: str) -> None:
    pod = {"name": "x", "namespace": namespace}
    spec = {"containers": [{"name": "x", "image": "x"}]}
    account = ("get", "serviceaccount", "default", "-n", namespace)
    end = time.monotonic() + 60
    while api_server.kubectl(*account, check=False).returncode and time.monotonic() < end:
        time.sleep(0.1)
    api_server.apply(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": spec}))
    port = PodPort(namespace, "x", 8081)
    said = {}
    for name in ("bob", ""):
        flags = ClusterFlags(api_server.kubeconfig, None, Impersonation(name))
        connection = ForwardedConnection(ClusterAccess(flags, instead=""), port, timeout=10.0)
        with pytest.raises(ConnectionError) as refused:
            connection.connect()
        said[name] = str(refused.value)
    assert "you may not port-forward" in said["bob"]
    assert "you may not" not in said[""], "the admin may, and there is no node"


def folder_of(folder: Path, namespace: str, *bodies: dict[str, Any]) -> str:
    """A folder with these objects in a namespace."""
    folder.mkdir()
    moved = [{**body, "metadata": {**body["metadata"], "namespace": namespace}} for body in bodies]
    (folder / "all.yaml").write_text(yaml.safe_dump_all(moved))
    return str(folder)


async def test_diff_compares_a_folder_with_the_cluster_and_shows_no_secret(
    run: Run, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    served = (objects.server(), objects.webhook(), objects.push(), objects.secret(**{"in": "k-1", "out": "s-1"}))
    put(api_server, namespace, *served)
    header = {"name": "X-Plain", "value": "old-token"}
    other = objects.push(
        url="https://oms.test/hidden-path",
        headers=[header, *objects.push()["spec"]["headers"]],
        delivery={"timeout": "20s", "maxConcurrency": 16},
    )
    changed = (objects.server(), objects.push("crm"), other, objects.secret(**{"in": "k-1", "out": "s-2"}))

    same = await run("diff", folder_of(tmp_path / "same", namespace, *served))
    found = await run("diff", folder_of(tmp_path / "changed", namespace, *changed))
    broken = await run("diff", folder_of(tmp_path / "broken", namespace, objects.push(ulr="https://x.example")))

    assert (same.exit_code, same.stdout) == (0, "nothing would change\n")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        f"+ PushConfig {namespace}/crm",
        f"~ PushConfig {namespace}/oms",
        "    delivery.timeout: 10s -> 20s",
        "    headers[X-Plain].name: none -> X-Plain",
        "    headers[X-Plain].value: changed",
        "    url: https://oms.example -> https://oms.test",
        "    url (path and query): changed",
        f"~ Secret {namespace}/keys",
        "    out: changed",
    ]
    assert not [word for word in ("hidden-path", "old-token", "s-1", "s-2") if word in found.stdout + found.stderr]
    assert (broken.exit_code, "so the result is unknown" in broken.stderr) == (2, True)


async def test_diff_needs_only_the_right_to_read_and_names_secrets_that_it_may_not_get(
    run: Run, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    put(api_server, namespace, objects.push())
    folder = folder_of(tmp_path / "files", namespace, objects.push(), objects.secret(out="s-1"))
    reader = ("--verb=list", "--resource=pushconfigs.trackpush.dev")
    api_server.kubectl("create", "role", "differ", *reader, "-n", namespace)
    api_server.kubectl("create", "rolebinding", "differs", "--role=differ", "--user=bob", "-n", namespace)

    found = await run("diff", folder, "--as", "bob")
    refused = await run("diff", folder, "--as", "alice")

    assert (found.exit_code, found.stdout) == (0, "nothing would change\n")
    assert f"Secret {namespace}/keys: not compared, because you may not get Secrets" in found.stderr
    assert (refused.exit_code, "you may not list pushconfigs" in refused.stderr) == (2, True)
