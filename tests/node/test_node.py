"""A real cluster with a kubelet, from `helm install` to `helm uninstall`. Each test goes on where the last ended."""

import hmac
import json
import re
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from kube.fixtures import ROOT
from kube.rig.node import ADDRESS, Node
from support.postgres import PASSWORD, ROLE, Server

HERE = Path(__file__).parent
INGRESS = f"http://{ADDRESS}/rms/in/api/clickpost/notify"
HOST = "saas.increff.example"
KEY = "bazaar-clickpost-key-1"
RUNBOOK = dict(
    re.findall(
        r"<!-- on a cluster: (\d) [^\n]* -->\n```sh\n(.*?)```",
        (HERE.parents[1] / "docs/runbooks/where-is-my-update.md").read_text(),
        re.DOTALL,
    )
)
"""Steps by number."""
_BACKUP = re.compile(r"<!-- on a cluster: (\w+) -->\n```sh\n(.*?)```", re.DOTALL)
Record = dict[str, Any]
LEASE, BEAT = 10.0, 2.0
"""Seconds: docs/storage.md."""


class Push(NamedTuple):
    """One that the client took."""

    id: str
    occurred_at: str
    late: bool


class Client:
    """The client's endpoint in its pod."""

    def __init__(self, node: Node) -> None:
        self._node = node
        service = node.plane.get("service", "client", "-n", "bazaar")
        self._url = f"http://{service['spec']['clusterIP']}:9000"

    def records(self) -> list[Record]:
        """All that came."""
        return list(json.loads(self._node.run("curl", "-sf", f"{self._url}/log").stdout))

    def answer(self, status: int) -> None:
        """Answer so from now on."""
        self._node.run("curl", "-sf", "-X", "POST", "-d", "", f"{self._url}/status/{status}")

    def delivered(self) -> dict[str, list[str]]:
        """webhook-ids by AWB, of what was answered with 200."""
        return {awb: [push.id for push in pushes] for awb, pushes in self.pushes().items()}

    def pushes(self) -> "dict[str, list[Push]]":
        """What was answered with 200 in the order in which it came, by AWB."""
        found: dict[str, list[Push]] = {}
        for record in self.records():
            if record["status"] == 200:
                headers = {name.lower(): value for name, value in record["headers"].items()}
                push = Push(headers["webhook-id"], record["body"]["occurredAt"], late=record["body"]["late"])
                found.setdefault(record["body"]["shipment"]["awb"], []).append(push)
        return found

    def has_all(self, accepted: Counter[str]) -> bool:
        """Whether so many updates of each AWB have come, each counted once."""
        delivered = self.delivered()
        return all(len(set(delivered.get(awb, []))) >= count for awb, count in accepted.items())


def until(what: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Poll until it is true; its value."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.2)
    return found


def body(awb: str, step: int = 0) -> Record:
    """What Clickpost posts; a shipment's steps follow each other by a minute."""
    code, timestamp = 8, f"2026-11-20T{6 + step // 60:02d}:{step % 60:02d}:52Z"
    return {
        "waybill": awb,
        "cp_id": 4,
        "timestamp": timestamp,
        "remark": "Delivered",
        "clickpost_status_code": code,
        "clickpost_status_description": "Delivered",
        "additional": {"latest_status": {"clickpost_status_code": code, "timestamp": timestamp}},
    }


def poster(
    node: Node, awbs: list[str], *, steps: int = 1, pause: float = 0.0, key: str = KEY, once: bool = False
) -> "subprocess.Popen[str]":
    """Posts in the background through the ingress, the next step of a shipment after all have had the one before."""
    process = subprocess.Popen(
        [*node.inside, sys.executable, str(HERE / "poster.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    bodies = [body(awb, step) for step in range(steps) for awb in awbs]
    task = {"url": INGRESS, "host": HOST, "key": key, "bodies": bodies, "pause": pause, "once": once}
    process.stdin.write(json.dumps(task))
    process.stdin.close()
    process.stdin = None
    return process


def posted(process: "subprocess.Popen[str]") -> Counter[str]:
    """How many updates of each AWB were answered with 200, once all were."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return Counter(out.split())


def stopped(load: "subprocess.Popen[str]") -> Counter[str]:
    """The same of a load that has lasted long enough: it ends with the update under way."""
    assert load.poll() is None, "the load ended before what it was for"
    load.terminate()
    return posted(load)


def under_load(node: Node, client: Client) -> "subprocess.Popen[str]":
    """A load that arrives at the client: 20 shipments' updates until it is `stopped`."""
    before = client.delivered().keys()
    load = poster(node, awbs(20), steps=500, pause=0.02)
    until(lambda: client.delivered().keys() - before)
    return load


def assert_in_order(client: Client, accepted: Counter[str]) -> None:
    """First arrivals of a shipment are in the order of its updates, and none was taken for a late one."""
    pushes = client.pushes()
    for awb in accepted:
        first = {push.id: push for push in reversed(pushes[awb])}
        came = [push.occurred_at for push in pushes[awb] if push is first[push.id]]
        assert came == sorted(came), f"{awb} out of order"
        assert not any(push.late for push in pushes[awb]), f"{awb} in order, but pushed as late"


def server_pods(node: Node) -> list[Record]:
    """The server's pods, including those that are ending."""
    labels = "app.kubernetes.io/instance=main,app.kubernetes.io/component=server"
    return list(node.plane.get("pods", "-n", "trackpush", "-l", labels)["items"])


def awbs(count: int) -> list[str]:
    """New random AWBs."""
    return [f"19{secrets.randbelow(10**10):010d}" for _ in range(count)]


class Owner(NamedTuple):
    """A replica, which is one start of a process, and its pod."""

    id: str
    pod: str


class Database(NamedTuple):
    """A PostgreSQL on the node's own address, and the database that the test makes in it."""

    server: Server
    name: str

    @property
    def dsn(self) -> str:
        """As pods reach it."""
        return f"postgresql://{ROLE}:{PASSWORD}@{ADDRESS}:{self.server.port}/{self.name}"

    def owner(self) -> Owner | None:
        """Who sends what is for the client; None while nobody does."""
        owner = (
            "SELECT r.id, r.name FROM trackpush.push_configs AS c JOIN trackpush.slots AS s ON s.slot = c.slot"
            " JOIN trackpush.replicas AS r ON r.id = s.owner WHERE c.name = 'bazaar/oms'"
        )
        replica, _, name = self.server.sql(owner, database=self.name).partition("|")
        return Owner(replica, name.partition("/")[0]) if replica else None


@pytest.fixture(scope="module")
def database(node: Node) -> Iterator[Database]:
    """Empty, with the server that holds it."""
    made = Server({"listen_addresses": ADDRESS}, inside=node.inside)
    try:
        made.start()
        yield Database(made, made.create_database())
    finally:
        made.remove()


@pytest.fixture(scope="module")
def client(node: Node, installed: str) -> Client:
    """The endpoint in the cluster, and what makes the server push there."""
    assert installed
    patch = {"spec": {"egress": {"httpsOnly": False, "allowedCIDRs": ["10.96.0.0/16", "10.244.0.0/24"]}}}
    node.kubectl("-n", "trackpush", "patch", "webhookserver", "main", "--type=merge", "-p", json.dumps(patch))
    node.kubectl("create", "namespace", "bazaar")
    node.kubectl("-n", "bazaar", "create", "configmap", "client", f"--from-file={HERE / 'client.py'}")
    node.kubectl("apply", "-f", str(HERE / "bazaar.yaml"))
    node.kubectl("-n", "bazaar", "wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    for kind, name in (("pushconfig", "oms"), ("aggregatorwebhook", "clickpost")):
        node.kubectl("-n", "bazaar", "wait", "--for=condition=Ready", f"{kind}/{name}", "--timeout=60s")
    return Client(node)


def test_the_readmes_commands_end_with_the_urls_to_paste(installed: str) -> None:
    assert "https://saas.increff.example/rms/in/api/clickpost/notify" in installed or (
        "http://saas.increff.example/rms/in/api/clickpost/notify" in installed
    )
    assert "/rms/in/api/st/notify" in installed
    assert "saas.nextscm.example/rms/in/api/shipway/notify" in installed
    assert "invented-shipway-key-1" not in installed


def test_a_real_post_through_the_ingress_arrives_with_the_clients_header(node: Node, client: Client) -> None:
    (awb,) = awbs(1)
    assert posted(poster(node, [awb])).keys() == {awb}
    until(lambda: awb in client.delivered())
    (record,) = [record for record in client.records() if record["body"]["shipment"]["awb"] == awb]
    assert record["headers"]["X-Key"] == "header-1"
    assert record["body"]["status"]["code"] == "DELIVERED"


def test_a_wrong_key_is_refused_and_another_clients_host_is_not_served(node: Node, client: Client) -> None:
    assert client
    answer = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", json.dumps(body("1")), INGRESS]
    assert node.run(*answer, "-H", f"Host: {HOST}", "-H", "webhook_key: wrong").stdout == "401"
    assert node.run(*answer, "-H", "Host: saas.nextscm.example", "-H", f"webhook_key: {KEY}").stdout == "404"


def signed(awb: str, key: str) -> tuple[str, str]:
    """A body of the invented aggregator, and its signature."""
    scan = {"group": "DL", "code": "X", "date": "20-11-2026", "time": "1004"}
    text = json.dumps({"shipments": [{"waybill": awb, "mode": "F", "scans": [scan]}]})
    return text, f"X-Parcel-Signature: sha256={hmac.digest(key.encode(), text.encode(), 'sha256').hex()}"


def test_an_applied_definition_is_served_and_a_signed_post_is_pushed(node: Node, client: Client) -> None:
    on_host = {"op": "add", "path": "/spec/hosts/0/aggregators/-", "value": "parcelkit"}
    node.kubectl("-n", "trackpush", "patch", "webhookserver", "main", "--type=json", "-p", json.dumps([on_host]))
    node.kubectl("apply", "-f", str(HERE / "parcelkit.yaml"))
    node.kubectl("-n", "trackpush", "wait", "--for=condition=Ready", "adef/parcelkit", "--timeout=60s")
    node.kubectl("-n", "bazaar", "wait", "--for=condition=Ready", "aw/parcelkit", "--timeout=60s")
    status = node.plane.get("aggregatorwebhook", "parcelkit", "-n", "bazaar")["status"]
    assert status["url"].endswith(f"//{HOST}/rms/in/api/parcelkit/notify")
    (awb,) = awbs(1)
    url, (text, signature) = INGRESS.replace("clickpost", "parcelkit"), signed(awb, "bazaar-parcelkit-key-1")
    post = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {HOST}", "--data-binary", text, url]
    until(lambda: node.run(*post).stdout == "401")  # the Ingress has the path as soon as its controller has read it
    assert node.run(*post, "-H", signed(awb, "another-key")[1]).stdout == "401"
    assert node.run(*post, "-H", signature).stdout == "200"
    until(lambda: awb in client.delivered())
    (record,) = [record for record in client.records() if record["body"]["shipment"]["awb"] == awb]
    assert record["body"]["aggregator"] == "parcelkit"
    assert (record["body"]["status"]["code"], record["body"]["occurredAt"]) == ("DELIVERED", "2026-11-20T04:34:00Z")
    node.kubectl("delete", "--wait=false", "-f", str(HERE / "parcelkit.yaml"))
    removed = {"op": "remove", "path": "/spec/hosts/0/aggregators/2"}
    node.kubectl("-n", "trackpush", "patch", "webhookserver", "main", "--type=json", "-p", json.dumps([removed]))


def set_header(node: Node, value: str) -> None:
    """Change the Secret that the client's header comes from."""
    data = {"stringData": {"oms": value}}
    node.kubectl("-n", "bazaar", "patch", "secret", "keys", "--type=merge", "-p", json.dumps(data))


def sent_header(node: Node, client: Client) -> str:
    """The header of a push that is sent now."""
    (awb,) = awbs(1)
    posted(poster(node, [awb]))
    until(lambda: awb in client.delivered())
    (record,) = [record for record in client.records() if record["body"]["shipment"]["awb"] == awb]
    return str(record["headers"]["X-Key"])


def test_a_rotated_secret_is_sent_within_ten_seconds(node: Node, client: Client) -> None:
    begun = time.monotonic()
    set_header(node, "header-2")
    until(lambda: sent_header(node, client) == "header-2", seconds=10)
    took = time.monotonic() - begun
    print(f"a rotated Secret was sent after {took:.1f} s")
    assert took < 10


def test_a_key_secret_that_is_deleted_and_made_again_costs_no_aggregator_a_401(node: Node, client: Client) -> None:
    assert client
    answer = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {HOST}", "-H", f"webhook_key: {KEY}"]
    codes: list[str] = []

    def post() -> str:
        (awb,) = awbs(1)
        codes.append(node.run(*answer, "-d", json.dumps(body(awb)), INGRESS).stdout)
        return codes[-1]

    secret = node.plane.get("secret", "keys", "-n", "bazaar")
    secret["metadata"] = {"name": "keys", "namespace": "bazaar"}
    node.kubectl("-n", "bazaar", "delete", "secret", "keys")
    until(lambda: post() == "503")
    node.kubectl("apply", "-f", "-", stdin=json.dumps(secret))
    until(lambda: post() == "200")
    assert set(codes) == {"200", "503"}


def test_a_webhook_server_that_would_make_its_writer_root_on_the_node_is_refused(node: Node, client: Client) -> None:
    assert client
    pods = {"spec": {"hostPID": True, "volumes": [{"name": "node", "hostPath": {"path": "/"}}]}}
    metadata = {"name": "thief", "namespace": "bazaar"}
    thief = {"apiVersion": "trackpush.dev/v1alpha1", "kind": "WebhookServer", "metadata": metadata}
    manifest = json.dumps({**thief, "spec": {"podTemplate": pods}})
    with pytest.raises(AssertionError, match=r"spec.podTemplate.spec.hostPID is not allowed; remove it"):
        node.kubectl("apply", "-f", "-", stdin=manifest)
    binding = node.plane.get("validatingadmissionpolicybinding", "trackpush-pod-template")
    binding["metadata"] = {"name": "trackpush-pod-template", "labels": binding["metadata"]["labels"]}
    node.kubectl("delete", "validatingadmissionpolicybinding", "trackpush-pod-template")
    try:
        until(lambda: node.plane.kubectl("apply", "-f", "-", stdin=manifest, check=False).returncode == 0)
        node.kubectl("-n", "bazaar", "wait", "--for=condition=Accepted=False", "webhookserver/thief", "--timeout=60s")
        found = node.plane.get("webhookserver", "thief", "-n", "bazaar")
        accepted = next(condition for condition in found["status"]["conditions"] if condition["type"] == "Accepted")
        assert accepted["reason"] == "PodTemplateNotAllowed"
        assert "spec.podTemplate.spec.hostPID is not allowed; remove it" in accepted["message"]
        assert node.plane.get("statefulsets", "-n", "bazaar")["items"] == []
    finally:
        node.kubectl("-n", "bazaar", "delete", "webhookserver", "thief", "--ignore-not-found")
        node.kubectl("apply", "-f", "-", stdin=json.dumps(binding))


def test_a_second_server_with_a_host_of_the_first_gets_none_of_its_posts(node: Node, client: Client) -> None:
    node.kubectl("create", "namespace", "taker")
    spec = {"hosts": [{"host": HOST}], "expose": {"ingress": {"className": "traefik"}}, "suspend": True}
    metadata = {"name": "taker", "namespace": "taker"}
    taker = {"apiVersion": "trackpush.dev/v1alpha1", "kind": "WebhookServer", "metadata": metadata, "spec": spec}
    try:
        node.kubectl("apply", "-f", "-", stdin=json.dumps(taker))
        node.kubectl("-n", "taker", "wait", "--for=condition=Accepted=False", "webhookserver/taker", "--timeout=60s")
        until(lambda: node.plane.get("services", "-n", "taker")["items"])
        sent = awbs(20)
        assert posted(poster(node, sent)).keys() == set(sent)
        assert node.plane.get("ingresses", "-n", "taker")["items"] == []
        until(lambda: set(sent) <= client.delivered().keys())
    finally:
        node.kubectl("delete", "namespace", "taker", "--wait=false")


def test_a_namespace_that_is_forgotten_in_the_watched_ones_keeps_its_keys(
    node: Node, shell: Any, client: Client
) -> None:
    narrowed = "--reuse-values --set 'watch.namespaces={trackpush,acme}'"
    shell.run(f"helm upgrade trackpush helm/trackpush -n trackpush --wait {narrowed}")
    try:
        wait = ("-n", "trackpush", "wait", "--for=condition=Watched=False", "webhookserver/main", "--timeout=60s")
        node.kubectl(*wait)
        sent = awbs(20)
        assert posted(poster(node, sent)).keys() == set(sent)
        until(lambda: set(sent) <= client.delivered().keys())
    finally:
        shell.run("helm rollback trackpush -n trackpush --wait")


def test_kinds_that_were_deleted_and_come_back_are_watched_again(node: Node, client: Client) -> None:
    operator = ("-n", "trackpush", "wait", "pod", "-l", "app.kubernetes.io/component=operator", "--timeout=90s")
    kind, resources = node.plane.get("crd", "pushconfigs.trackpush.dev"), node.plane.get("pushconfigs", "-A")
    for made in (kind, *resources["items"]):
        made.pop("status", None)
        kept = ("name", "namespace", "labels", "annotations")
        made["metadata"] = {name: made["metadata"][name] for name in kept if name in made["metadata"]}
    node.kubectl("delete", "crd", "pushconfigs.trackpush.dev", "--timeout=90s")
    try:
        node.kubectl(*operator, "--for=condition=Ready=False")
        sent = awbs(5)
        assert posted(poster(node, sent)).keys() == set(sent)
    finally:
        node.kubectl("create", "-f", "-", stdin=json.dumps(kind))
        node.kubectl("wait", "--for=condition=Established", "crd/pushconfigs.trackpush.dev", "--timeout=90s")
        node.kubectl("create", "-f", "-", stdin=json.dumps(resources))
    node.kubectl(*operator, "--for=condition=Ready")
    begun = time.monotonic()
    node.kubectl("-n", "bazaar", "wait", "--for=condition=Ready", "pushconfig/oms", "--timeout=90s")
    print(f"a PushConfig was in effect {time.monotonic() - begun:.1f} s after the operator was ready again")
    until(lambda: set(sent) <= client.delivered().keys(), seconds=90)


def routing_annotation(node: Node) -> str:
    """What the operator last wrote to the server's pod, so that its kubelet looks at the Secrets."""
    annotations = node.plane.get("pod", "main-0", "-n", "trackpush")["metadata"].get("annotations") or {}
    return str(annotations.get("trackpush.dev/routing", ""))


def test_a_pod_whose_kubelet_has_a_stale_cache_is_touched_again_until_it_serves_a_changed_secret(
    node: Node, client: Client
) -> None:
    wait = ("-n", "trackpush", "wait", "--for=condition=Ready", "pod/main-0", "--timeout=90s")
    with node.through_proxy():
        node.kubectl(*wait)
        set_header(node, "header-3")  # the kubelet watches the Secrets again once this arrives
        until(lambda: sent_header(node, client) == "header-3", seconds=150)
        node.hold_secrets(held=True)
        before, seen = routing_annotation(node), set[str]()
        set_header(node, "header-4")

        def touches() -> int:
            seen.add(routing_annotation(node))
            return len(seen - {before})

        until(lambda: touches() >= 3, seconds=90)
        assert sent_header(node, client) == "header-3", "the kubelet's cache is stale"
        begun = time.monotonic()
        node.hold_secrets(held=False)
        until(lambda: sent_header(node, client) == "header-4", seconds=90)
        print(f"with its cache up to date again the kubelet showed the Secret after {time.monotonic() - begun:.1f} s")
    node.kubectl(*wait)


def test_a_failing_endpoint_is_reported_within_a_minute_and_recovers(node: Node, client: Client) -> None:
    client.answer(500)
    sent = awbs(20)
    posted(poster(node, sent))
    node.kubectl("-n", "bazaar", "wait", "--for=condition=Delivering=False", "pushconfig/oms", "--timeout=60s")
    found = node.plane.get("pushconfig", "oms", "-n", "bazaar")["status"]["conditions"]
    (delivering,) = [condition for condition in found if condition["type"] == "Delivering"]
    assert delivering["reason"] == "EndpointFailing"
    client.answer(200)
    until(lambda: set(sent) <= client.delivered().keys(), seconds=120)
    node.kubectl("-n", "bazaar", "wait", "--for=condition=Delivering", "pushconfig/oms", "--timeout=60s")


def test_a_server_pod_killed_with_pushes_pending_loses_none(node: Node, client: Client) -> None:
    client.answer(503)
    waiting = awbs(60)
    assert posted(poster(node, waiting)).keys() == set(waiting)
    node.kubectl("-n", "trackpush", "delete", "pod", "main-0", "--grace-period=0", "--force")
    client.answer(200)
    until(lambda: set(waiting) <= client.delivered().keys(), seconds=180)
    for awb in waiting:
        assert len(set(client.delivered()[awb])) == 1, "one update has one id, however often it is sent"
    node.kubectl("-n", "trackpush", "wait", "--for=condition=Ready", "pod/main-0", "--timeout=60s")


def test_the_plugin_finds_the_server_by_itself_and_says_what_is_wrong(shell: Any, client: Client) -> None:
    assert client
    found = json.loads(shell.run("kubectl trackpush status -o json || true"))
    (server,) = found["servers"]
    assert (server["name"], server["readyPods"], server["answered"]) == ("trackpush/main", 1, True)
    listed = json.loads(shell.run("kubectl trackpush pushes list --state delivered --client bazaar -o json"))
    assert listed["pushes"]
    assert "pushes\t" in shell.run("kubectl __complete trackpush pus")


def test_doctor_probes_the_server_through_the_ingress_and_reads_its_secrets(shell: Any, client: Client) -> None:
    assert client
    script = f"kubectl trackpush doctor -n trackpush --connect {ADDRESS}:80 -o json || true"
    checks: list[dict[str, Any]] = []

    def nothing_fails() -> bool:
        """The pod was killed by a test before: the ingress learns of the new one a little later."""
        checks[:] = json.loads(shell.run(script))["checks"]
        return not any(check["result"] == "fail" for check in checks)

    until(nothing_fails, seconds=60)
    assert {check["check"] for check in checks if check["result"] == "ok"} >= {
        "tcp", "probe", "headers", "wrong-key", "body-size", "server", "url-words", "resources",
    }  # fmt: skip


def test_a_namespace_that_is_made_again_gets_pushes_of_the_former_one_only_if_it_takes_over(
    node: Node, shell: Any, client: Client
) -> None:
    _make_souk(node, "souk-key-1", suspend=True)
    waiting = awbs(5)
    assert posted(poster(node, waiting, key="souk-key-1")).keys() == set(waiting)
    former = node.plane.get("namespace", "souk")["metadata"]["uid"]
    node.kubectl("delete", "namespace", "souk", "--timeout=90s")

    _make_souk(node, "souk-key-2")
    fresh = awbs(5)
    assert posted(poster(node, fresh, key="souk-key-2")).keys() == set(fresh)
    until(lambda: set(fresh) <= client.delivered().keys())
    # The server counts pushes by PushConfig every few seconds, so the status may still show those of before.
    until(lambda: f"souk@{former}/oms" in shell.run("kubectl trackpush status || true"))
    assert not set(waiting) & {record["body"]["shipment"]["awb"] for record in client.records()}

    shell.run(f"kubectl annotate namespace souk trackpush.dev/takes-over={former}")
    until(lambda: set(waiting) <= client.delivered().keys())
    delivered = client.delivered()
    assert all(len(delivered[awb]) == 1 for awb in (*waiting, *fresh))


def test_pushes_of_a_client_that_left_are_dropped_by_the_plugin(node: Node, shell: Any, client: Client) -> None:
    _make_souk(node, "souk-key-2", suspend=True)
    left = awbs(5)
    assert posted(poster(node, left, key="souk-key-2")).keys() == set(left)
    drop = "kubectl trackpush pushes drop --without-push-config --push-config souk/oms --yes -o json"
    assert json.loads(shell.run(drop))["dropped"] == 0, "its PushConfig exists"
    node.kubectl("delete", "namespace", "souk", "--timeout=90s")
    until(lambda: "souk/oms" in shell.run("kubectl trackpush status || true"))
    assert json.loads(shell.run(drop))["dropped"] == len(left)
    listed = json.loads(shell.run("kubectl trackpush pushes list --client souk --state dropped -o json"))["pushes"]
    assert {push["awb"] for push in listed} == set(left)
    assert "souk/oms" not in shell.run("kubectl trackpush status || true")
    assert not set(left) & client.delivered().keys()


def _make_souk(node: Node, key: str, *, suspend: bool = False) -> None:
    """A second client, whose endpoint is the first one's. While it is suspended, its pushes wait."""
    text = (HERE / "bazaar.yaml").read_text()
    resources = [document for document in yaml.safe_load_all(text) if document["kind"] not in {"Pod", "Service"}]
    for resource in resources:
        name = "name" if resource["kind"] == "Namespace" else "namespace"
        resource["metadata"][name] = "souk"
        if resource["kind"] == "Secret":
            resource["stringData"]["clickpost"] = key
        if resource["kind"] == "PushConfig":
            resource["spec"]["suspend"] = suspend
    node.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(resources))
    for kind in ("pushconfig/oms", "aggregatorwebhook/clickpost"):
        node.kubectl("-n", "souk", "wait", "--for=condition=Programmed", kind, "--timeout=60s")


def test_from_awb_to_cause_to_replay_in_four_commands_with_kubectl_alone(
    node: Node, shell: Any, client: Client
) -> None:
    client.answer(422)
    (awb,) = awbs(1)
    posted(poster(node, [awb]))
    until(lambda: " dead " in shell.run(f"kubectl trackpush shipment {awb} || true"), seconds=90)
    begun = time.monotonic()
    variables = f"AWB={awb} CLIENT=bazaar\n"
    story = shell.run(variables + RUNBOOK["1"])
    around = shell.run(variables + RUNBOOK["2"])
    tries = shell.run(variables + RUNBOOK["3"])
    client.answer(200)
    replayed = shell.run(variables + RUNBOOK["4"])
    took = time.monotonic() - begun
    print(f"from AWB to cause to replay took {took:.1f} s")
    assert "HTTP 422" in story
    assert "RECEIVING" in around
    assert "LAST UPDATE" in around
    assert tries.count("HTTP 422") >= 6
    assert "1 pushes are pending again" in replayed
    until(lambda: awb in client.delivered())


def test_the_chart_upgraded_under_load_loses_none(node: Node, shell: Any, client: Client) -> None:
    sent = awbs(300)
    load = poster(node, sent, pause=0.05)
    shell.run(
        "helm upgrade trackpush helm/trackpush -n trackpush --wait --set podAnnotations.upgraded=yes --set replicas=2"
    )
    restart = {"spec": {"podTemplate": {"annotations": {"upgraded": "yes"}}}}
    node.kubectl("-n", "trackpush", "patch", "webhookserver", "main", "--type=merge", "-p", json.dumps(restart))
    node.kubectl("-n", "trackpush", "rollout", "status", "statefulset/main", "--timeout=120s")
    assert posted(load).keys() == set(sent)
    until(lambda: set(sent) <= client.delivered().keys(), seconds=120)
    assert all(len(ids) == 1 for awb, ids in client.delivered().items() if awb in set(sent)), (
        "a clean end sends nothing twice"
    )


def test_senders_that_post_once_and_never_again_lose_nothing_through_restarts_and_an_upgrade(
    node: Node, client: Client
) -> None:
    in_namespace = ("-n", "trackpush")

    def patch_server(spec: Record) -> None:
        node.kubectl(*in_namespace, "patch", "webhookserver", "main", "--type=merge", "-p", json.dumps({"spec": spec}))

    def replaced(before: set[str]) -> None:
        until(lambda: before.isdisjoint(pod["metadata"]["uid"] for pod in server_pods(node)), seconds=120)
        node.kubectl(*in_namespace, "rollout", "status", "statefulset/main", "--timeout=180s")
        node.kubectl(*in_namespace, "rollout", "status", "deployment/main-standby", "--timeout=180s")
        node.kubectl(*in_namespace, "wait", "--for=condition=Ready", "webhookserver/main", "--timeout=120s")

    def uids(*, of: str = "") -> set[str]:
        return {pod["metadata"]["uid"] for pod in server_pods(node) if pod["metadata"]["name"].startswith(of)}

    before = uids()
    patch_server({"storage": {"sqlite": {"standby": True}}})
    try:
        until(lambda: len(server_pods(node)) == 2, seconds=120)
        replaced(before)
        load = poster(node, awbs(20), steps=500, pause=0.02, once=True)
        for restart in (
            ("rollout", "restart", "statefulset/main"),
            ("rollout", "restart", "deployment/main-standby"),
            ("delete", "pod", "main-0"),
        ):
            before = uids(of="main-standby" if "deployment/main-standby" in restart else "main-0")
            node.kubectl(*in_namespace, *restart)
            replaced(before)
        repository = "docker.io/library/trackpush"
        node.tag(f"{repository}:{version('trackpush')}", f"{repository}:next")
        before = uids()
        patch_server({"image": f"{repository}:next"})
        replaced(before)
        answers = stopped(load)
        lost = {answer: count for answer, count in answers.items() if answer.startswith("lost:")}
        accepted = Counter({awb: count for awb, count in answers.items() if awb not in lost})
        print(f"{accepted.total()} updates were posted once each while server and standby were replaced: lost {lost}")
        assert not lost
        until(lambda: client.has_all(accepted), seconds=120)
        assert_in_order(client, accepted)
        delivered = client.delivered()
        assert all(len(delivered[awb]) == count for awb, count in accepted.items()), "nothing is sent twice"
    finally:
        before = uids()
        patch_server({"image": None, "storage": {"sqlite": {"standby": False}}})
    until(lambda: len(server_pods(node)) == 1 and before.isdisjoint(uids()), seconds=120)
    node.kubectl(*in_namespace, "rollout", "status", "statefulset/main", "--timeout=180s")
    node.kubectl(*in_namespace, "wait", "--for=condition=Ready", "webhookserver/main", "--timeout=120s")


def test_a_volume_that_can_not_grow_is_reported_and_the_server_continues(node: Node, client: Client) -> None:
    assert client
    main = ("-n", "trackpush", "webhookserver/main")
    for size, wanted in (("20Gi", "VolumeSize"), ("5Gi", "Programmed")):
        patch = {"spec": {"storage": {"sqlite": {"size": size}}}}
        node.kubectl("patch", *main, "--type=merge", "-p", json.dumps(patch))
        reason = """{.status.conditions[?(@.type=="Programmed")].reason}"""
        node.kubectl("wait", *main, f"--for=jsonpath={reason}={wanted}", "--timeout=90s")
        if wanted == "VolumeSize":
            message = node.kubectl("get", *main, "-o", "jsonpath={.status.conditions}").stdout
            assert "size is 20Gi, and the volume data-main-0 has 5Gi and can't grow" in message
        (awb,) = awbs(1)
        assert posted(poster(node, [awb])).keys() == {awb}


def test_a_backup_streams_out_of_the_pod_and_is_restored_as_the_page_says(
    node: Node, shell: Any, client: Client, tmp_path: Path
) -> None:
    steps = dict(_BACKUP.findall((ROOT / "docs/backup.md").read_text()))
    on_machine = {name: text.replace(" journal.db", f" {tmp_path}/journal.db") for name, text in steps.items()}
    kept, lost, after = awbs(20), awbs(1), awbs(5)
    assert posted(poster(node, kept)).keys() == set(kept)
    before = sorted(node.volume_files("data-main-0"))
    shell.run(on_machine["backup"])
    assert sorted(node.volume_files("data-main-0")) == before, "something of the backup stayed on the volume"
    assert posted(poster(node, lost)).keys() == set(lost)
    print(shell.run(on_machine["restore"]))
    node.kubectl("-n", "trackpush", "wait", "--for=condition=Ready", "webhookserver/main", "--timeout=90s")
    assert posted(poster(node, after)).keys() == set(after)
    until(lambda: set(after) <= client.delivered().keys())
    listed = {
        awb: shell.run(f"kubectl trackpush pushes list --awb {awb} -o json 2>&1 || true")
        for awb in (kept[0], kept[-1], *lost)
    }
    assert {awb for awb, found in listed.items() if '"delivered"' in found} == {kept[0], kept[-1]}
    assert "journal_log_incomplete" in node.kubectl("-n", "trackpush", "logs", "main-0").stdout


def test_the_charts_own_test_passes(shell: Any) -> None:
    assert "Phase:          Succeeded" in shell.run("helm test trackpush -n trackpush")


def test_the_server_continues_without_the_operator_and_restarts_from_its_files_alone(
    node: Node, client: Client
) -> None:
    node.kubectl("-n", "trackpush", "scale", "deployment/trackpush", "--replicas=0")
    node.kubectl("-n", "trackpush", "delete", "pod", "main-0")
    (awb,) = awbs(1)
    assert posted(poster(node, [awb])).keys() == {awb}
    until(lambda: awb in client.delivered(), seconds=120)


def test_the_journal_moves_to_postgresql_as_the_page_says_and_what_waited_is_pushed(
    node: Node, shell: Any, client: Client, database: Database
) -> None:
    node.kubectl("-n", "trackpush", "scale", "deployment/trackpush", "--replicas=1")
    node.kubectl("-n", "trackpush", "rollout", "status", "deployment/trackpush", "--timeout=120s")
    before = client.delivered()
    client.answer(503)
    waiting = awbs(40)
    assert posted(poster(node, waiting)).keys() == set(waiting)
    page = (ROOT / "docs/move-storage.md").read_text()
    for commands in re.findall(r"   ```sh\n(.*?)   ```", page, re.DOTALL):
        print(shell.run(commands.replace("postgresql://trackpush:…@db.example:5432/trackpush", database.dsn)))
    until(lambda: len(server_pods(node)) == 2, seconds=120)
    node.kubectl("-n", "trackpush", "rollout", "status", "deployment/main", "--timeout=180s")
    node.kubectl("-n", "trackpush", "wait", "--for=condition=Ready", "webhookserver/main", "--timeout=120s")
    client.answer(200)
    until(lambda: set(waiting) <= client.delivered().keys(), seconds=120)
    after = client.delivered()
    assert all(len(after[awb]) == 1 for awb in waiting)
    assert {awb: after[awb] for awb in before} == before, "what was delivered before the move is not pushed again"


@pytest.mark.parametrize("how", ["restart", "receivers"])
def test_two_pods_on_postgresql_roll_under_load_without_loss_doubles_or_disorder(
    node: Node, client: Client, database: Database, how: str
) -> None:
    assert database
    old = {pod["metadata"]["uid"] for pod in server_pods(node)}
    load = under_load(node, client)
    if how == "restart":
        node.kubectl("-n", "trackpush", "rollout", "restart", "deployment/main")
    else:
        patch = {"spec": {"receivers": 1}}
        node.kubectl("-n", "trackpush", "patch", "webhookserver", "main", "--type=merge", "-p", json.dumps(patch))
        until(lambda: "--receivers=1" in node.kubectl("-n", "trackpush", "get", "deployment/main", "-o", "yaml").stdout)
    node.kubectl("-n", "trackpush", "rollout", "status", "deployment/main", "--timeout=240s")
    until(lambda: old.isdisjoint(pod["metadata"]["uid"] for pod in server_pods(node)), seconds=120)
    node.kubectl("-n", "trackpush", "wait", "--for=condition=Ready", "webhookserver/main", "--timeout=120s")
    accepted = stopped(load)
    if how == "receivers":
        for pod in server_pods(node):
            metrics = node.run("curl", "-sf", f"http://{pod['status']['podIP']}:8081/metrics").stdout
            assert "\ntrackpush_receivers_accepting 1.0\n" in metrics
    until(lambda: client.has_all(accepted), seconds=120)
    print(f"{accepted.total()} updates were taken while two pods were replaced")
    assert_in_order(client, accepted)
    delivered = client.delivered()
    assert all(len(delivered[awb]) == count for awb, count in accepted.items()), "a clean end sends nothing twice"


def test_a_killed_pods_clients_are_taken_over_within_lease_and_beat(
    node: Node, client: Client, database: Database
) -> None:
    load = under_load(node, client)
    killed = until(database.owner)
    node.kill_pod("trackpush", killed.pod)
    begun = time.monotonic()
    until(lambda: database.owner() not in {None, killed}, seconds=60)
    took = time.monotonic() - begun
    print(f"a killed pod's clients were taken over after {took:.1f} s")
    accepted = stopped(load)
    until(lambda: client.has_all(accepted), seconds=120)
    assert took < LEASE + BEAT + 3.0
    assert_in_order(client, accepted)


def test_uninstalled_in_any_order_nothing_hangs_and_the_journal_stays(node: Node, shell: Any) -> None:
    shell.run("helm uninstall trackpush -n trackpush --wait")
    assert node.plane.get("pushconfig", "oms", "-n", "bazaar"), "resources stay"
    assert node.plane.get("deployment", "main", "-n", "trackpush"), "servers stay"
    node.kubectl("-n", "trackpush", "delete", "webhookserver", "main", "--timeout=60s")
    until(lambda: not node.plane.get("deployment,service,ingress", "-n", "trackpush")["items"])
    until(lambda: not node.plane.get("pods", "-n", "trackpush")["items"], seconds=90)
    assert node.plane.get("pvc", "data-main-0", "-n", "trackpush"), "it holds updates that were answered with 200"
    node.kubectl("delete", "crd", "-l", "app.kubernetes.io/name!=x", "--timeout=60s", "--wait")
    node.kubectl("delete", "namespace", "acme", "bazaar", "trackpush", "--timeout=120s")
