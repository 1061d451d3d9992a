"""The chart, with values that users really set."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from kube.fixtures import ROOT, ApiServer
from kube.rig.modules import PROMETHEUS, PROMETHEUS_RULES, module_file
from kube.test_rules import CREATED, REFUSED
from trackpush_api.kinds import KINDS
from trackpush_cli.operator import command

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]
Template = Callable[..., subprocess.CompletedProcess[str]]
USUAL: dict[str, dict[str, Any]] = {
    "defaults": {},
    "namespaced": {"watch": {"namespaces": ["trackpush", "acme"]}},
    "server": {"server": {"create": True, "spec": {"allowedNamespaces": {"from": "All"}}}},
    "two": {"replicas": 2, "podLabels": {"team": "rms"}, "podAnnotations": {"a": "b"}, "priorityClassName": "high"},
    "hardened": {
        "replicas": 2,
        "commonLabels": {"team": "rms", "app.kubernetes.io/name": "mine"},
        "revisionHistoryLimit": 3,
        "logLevel": "warning",
        "resync": "5m",
        "workers": 4,
        "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/ca/ca.crt"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
        "podSecurityContext": {"runAsUser": 1234, "fsGroup": 1234},
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "service": {"type": "NodePort", "annotations": {"a.example/b": "c"}},
        "networkPolicy": {
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "egress": [{"ports": [{"port": 443}, {"port": 53, "protocol": "UDP"}, {"port": 8081}]}],
        },
        "podDisruptionBudget": {"maxUnavailable": "50%"},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
        "tests": {"resources": {"requests": {"cpu": "5m"}}},
    },
    "placed": {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "x", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "image": {"pullSecrets": ["pull"], "digest": "sha256:" + "0" * 64},
        "extraArgs": ["--lease-namespace=elsewhere"],
        "serviceAccount": {"create": True, "name": "own", "annotations": {"a": "b"}},
        "crds": {"enabled": False},
    },
}

READ, WRITE = {"get", "list", "watch"}, {"create", "update", "patch", "delete", "deletecollection"}
AGGREGATED = {"trackpush-view", "trackpush-edit", "trackpush-admin"}


def of(objects: Objects, kind: str) -> Objects:
    return [body for body in objects if body["kind"] == kind]


def pods(objects: Objects) -> Iterator[dict[str, Any]]:
    for body in objects:
        if body["kind"] in {"Deployment", "Pod"}:
            yield body["spec"]["template"]["spec"] if body["kind"] == "Deployment" else body["spec"]


def operator(objects: Objects) -> dict[str, Any]:
    (deployment,) = of(objects, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


@pytest.mark.parametrize("values", USUAL.values(), ids=USUAL)
def test_kubernetes_accepts_what_it_makes(api_server: ApiServer, render: Render, values: dict[str, Any]) -> None:
    for name in ("trackpush", "acme"):
        api_server.kubectl("create", "namespace", name, check=False)
    api_server.apply(yaml.safe_dump_all(render(values)), "--dry-run=server")


@pytest.mark.parametrize("values", USUAL.values(), ids=USUAL)
def test_every_container_is_restricted(render: Render, values: dict[str, Any]) -> None:
    for spec in pods(render(values)):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_the_operator_gets_a_network_policy_a_disruption_budget_and_spread_pods_by_default(render: Render) -> None:
    made = render()
    (policy,), (budget,) = of(made, "NetworkPolicy"), of(made, "PodDisruptionBudget")
    (deployment,) = of(made, "Deployment")
    pod = deployment["spec"]["template"]
    assert policy["spec"]["ingress"] == [{"ports": [{"port": 8082, "protocol": "TCP"}]}]
    assert policy["spec"]["policyTypes"] == ["Ingress"], "who limits egress has to know the API server's port"
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]
    (spread,) = pod["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == deployment["spec"]["selector"]
    off = {"networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False}}
    assert not {"NetworkPolicy", "PodDisruptionBudget"} & {body["kind"] for body in render(off)}


def test_every_value_of_a_hardened_operator_reaches_its_object(render: Render) -> None:
    values = USUAL["hardened"]
    made = render(values)
    (deployment,), (service,), (policy,) = (of(made, kind) for kind in ("Deployment", "Service", "NetworkPolicy"))
    (budget,) = of(made, "PodDisruptionBudget")
    template = deployment["spec"]["template"]
    container = operator(made)
    for body in made:
        assert body["metadata"]["labels"]["team"] == "rms", body["kind"]
        assert body["metadata"]["labels"]["app.kubernetes.io/name"] == "trackpush", "selectors rely on it"
    assert template["metadata"]["labels"]["team"] == "rms"
    assert deployment["spec"]["revisionHistoryLimit"] == 3
    assert {"--log-level=warning", "--resync=5m", "--workers=4"} <= set(container["args"])
    assert values["extraEnv"][0] in container["env"]
    assert values["extraVolumeMounts"][0] in container["volumeMounts"]
    assert values["extraVolumes"][0] in template["spec"]["volumes"]
    context = template["spec"]["securityContext"]
    assert (context["runAsUser"], context["fsGroup"], context["runAsNonRoot"]) == (1234, 1234, True)
    assert container["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert service["spec"]["type"] == "NodePort"
    assert service["metadata"]["annotations"] == {"a.example/b": "c"}
    assert policy["spec"]["ingress"][0]["from"] == values["networkPolicy"]["from"]
    assert policy["spec"]["egress"] == values["networkPolicy"]["egress"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert budget["spec"]["maxUnavailable"] == "50%"
    assert template["spec"]["topologySpreadConstraints"] == values["topologySpreadConstraints"]
    (test,) = of(made, "Pod")
    assert test["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "5m"


@pytest.mark.parametrize("values", USUAL.values(), ids=USUAL)
def test_the_operator_takes_the_arguments_that_it_is_given(render: Render, values: dict[str, Any]) -> None:
    name, *arguments = operator(render(values))["args"]
    assert name == "operator"
    command.make_context(name, list(arguments))


@pytest.mark.parametrize(
    ("fixed", "platform", "user"),
    [("auto", "", 65532), ("auto", "security.openshift.io/v1", None), ("always", "security.openshift.io/v1", 65532),
     ("never", "", None)],
)  # fmt: skip
def test_no_user_is_named_where_the_platform_assigns_one(
    template: Template, fixed: str, platform: str, user: int | None
) -> None:
    flags = ["--api-versions", platform] if platform else []
    made = [document for document in yaml.safe_load_all(template({"fixedUser": fixed}, *flags).stdout) if document]
    for spec in pods(made):
        assert spec["securityContext"].get("runAsUser") == spec["securityContext"].get("runAsGroup") == user
        assert spec["securityContext"]["runAsNonRoot"] is True
    assert ("--no-fixed-user" in operator(made)["args"]) is (user is None)


def test_the_servers_service_monitors_get_the_labels_of_the_operators(render: Render) -> None:
    made = render({"metrics": {"serviceMonitor": {"labels": {"release": "prometheus"}}}})
    assert "--monitor-label=release=prometheus" in operator(made)["args"]


def test_nothing_of_monitoring_is_made_unless_asked_for(render: Render) -> None:
    kinds = {body["kind"] for body in render()}
    assert not kinds & {"ServiceMonitor", "PrometheusRule", "ConfigMap"}


def test_prometheus_operator_and_grafana_find_what_is_made_for_them(own_api_server: ApiServer, render: Render) -> None:
    selected = {"release": "prometheus"}
    made = render(
        {
            "metrics": {
                "serviceMonitor": {"enabled": True, "labels": selected},
                "prometheusRule": {"enabled": True, "labels": selected, "runbookUrl": "https://wiki.example/%s.html"},
                "dashboard": {"enabled": True, "annotations": {"grafana_folder": "Logistics"}},
            },
        }
    )
    (monitor,), (rule,), (board,) = (of(made, kind) for kind in ("ServiceMonitor", "PrometheusRule", "ConfigMap"))
    assert monitor["metadata"]["labels"]["release"] == rule["metadata"]["labels"]["release"] == "prometheus"
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["metadata"]["annotations"] == {"grafana_folder": "Logistics"}
    notes = [rule["annotations"] for group in rule["spec"]["groups"] for rule in group["rules"]]
    pages = {page.stem for page in (ROOT / "docs/runbooks").glob("*.md")}
    assert {note["runbook_url"] for note in notes} <= {f"https://wiki.example/{page}.html" for page in pages}
    assert not any("runbook" in note for note in notes)

    for kinds in (PROMETHEUS, PROMETHEUS_RULES):
        own_api_server.kubectl("apply", "--server-side", "-f", str(module_file(*kinds)))
    own_api_server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    own_api_server.kubectl("create", "namespace", "trackpush")
    own_api_server.apply(yaml.safe_dump_all([monitor, rule, board]), "--dry-run=server")


def test_watching_a_list_of_namespaces_gives_the_operator_no_cluster_role(render: Render) -> None:
    made = render(USUAL["namespaced"])
    assert {role["metadata"]["name"] for role in of(made, "ClusterRole")} == AGGREGATED
    assert not of(made, "ClusterRoleBinding")
    roles = {(role["metadata"]["namespace"], role["metadata"]["name"]) for role in of(made, "Role")}
    assert roles == {("trackpush", "trackpush"), ("acme", "trackpush"), ("trackpush", "trackpush-lease")}
    assert {"--namespace=trackpush", "--namespace=acme"} <= set(operator(made)["args"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"imagee": {}}, "'imagee' not allowed"),
        ({"image": {"tagg": "1"}}, "'tagg' not allowed"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"watch": {"namespaces": "acme"}}, "at '/watch/namespaces': got string, want array"),
        ({"image": {"digest": "abc"}}, "at '/image/digest'"),
        ({"logFormat": "xml"}, "at '/logFormat'"),
        ({"logLevel": "loud"}, "at '/logLevel'"),
        ({"resync": "soon"}, "at '/resync'"),
        ({"workers": 0}, "at '/workers'"),
        ({"resources": {"limit": {}}}, "'limit' not allowed"),
        ({"tests": {"resources": {"bogus": 1}}}, "'bogus' not allowed"),
        ({"extraEnv": [{"value": "x"}]}, "at '/extraEnv/0'"),
        ({"service": {"type": "External"}}, "at '/service/type'"),
        ({"fixedUser": "no"}, "at '/fixedUser'"),
        ({"networkPolicy": {"enable": True}}, "'enable' not allowed"),
        ({"podDisruptionBudget": {"maxUnavailable": "half"}}, "at '/podDisruptionBudget/maxUnavailable'"),
        ({"metrics": {"prometheusRule": {"runbookUrl": "https://a.b/"}}}, "at '/metrics/prometheusRule/runbookUrl'"),
        ({"metrics": {"dashboard": {"labels": {"a": 1}}}}, "at '/metrics/dashboard/labels/a'"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    template: Callable[..., subprocess.CompletedProcess[str]], values: dict[str, Any], words: str
) -> None:
    refused = template(values)
    assert refused.returncode != 0
    assert words in refused.stderr


def test_the_kinds_are_kept_unless_somebody_says_otherwise(render: Render) -> None:
    kept = of(render(), "CustomResourceDefinition")
    assert len(kept) == len(KINDS)
    assert all(body["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for body in kept)
    dropped = of(render({"crds": {"keep": False}}), "CustomResourceDefinition")
    assert all("annotations" not in body["metadata"] for body in dropped)
    assert not of(render({"crds": {"enabled": False}}), "CustomResourceDefinition")


def test_the_chart_has_the_kinds_of_this_tree() -> None:
    ours = {file.name: file.read_text() for file in (ROOT / "crds").glob("*.yaml")}
    assert {file.name: file.read_text() for file in (ROOT / "helm/trackpush/files/crds").glob("*.yaml")} == ours


def test_a_digest_wins_over_a_tag_for_operator_and_servers(render: Render) -> None:
    digest = "sha256:" + "1" * 64
    container = operator(render({"image": {"tag": "2", "digest": digest}}))
    assert container["image"] == f"docker.io/library/trackpush@{digest}"
    assert f"--image={container['image']}" in container["args"]


def test_the_servers_get_the_pull_policy_and_the_pull_secrets(render: Render) -> None:
    made = render({"image": {"pullPolicy": "Always", "pullSecrets": ["one", "two"]}})
    arguments = operator(made)["args"]
    assert {"--image-pull-policy=Always", "--image-pull-secret=one", "--image-pull-secret=two"} <= set(arguments)
    assert "--image-pull-policy=IfNotPresent" in operator(render())["args"]


def rights(api_server: ApiServer, namespace: str) -> dict[str, set[str]]:
    """The verbs that a user has in a namespace, by resource of our group."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    done = api_server.kubectl(
        "create", "-f", "-", "-o", "json", "--as=somebody", "--validate=false", stdin=json.dumps(review)
    )
    found: dict[str, set[str]] = {}
    for rule in json.loads(done.stdout)["status"]["resourceRules"]:
        for resource in rule["resources"] if "trackpush.dev" in rule["apiGroups"] else ():
            found.setdefault(resource, set()).update(rule["verbs"])
    return found


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
def test_a_namespaces_view_edit_and_admin_have_rights_on_the_kinds(
    api_server: ApiServer, namespace: str, render: Render, role: str
) -> None:
    roles = [role for role in of(render(), "ClusterRole") if role["metadata"]["name"] in AGGREGATED]
    api_server.apply(yaml.safe_dump_all(roles))
    api_server.kubectl("create", "rolebinding", "somebody", f"--clusterrole={role}", "--user=somebody", "-n", namespace)
    kinds = ("pushconfigs", "aggregatorwebhooks", "webhookservers", "aggregatordefinitions")
    writers = {"view": (), "edit": kinds[:2], "admin": kinds}[role]
    expected = {kind: READ | (WRITE if kind in writers else set()) for kind in kinds}
    expected |= {f"{kind}/status": READ for kind in kinds}

    end = time.monotonic() + 60
    while (found := rights(api_server, namespace)) != expected and time.monotonic() < end:
        time.sleep(0.2)  # a controller adds up the rules
    assert found == expected
    assert not rights(api_server, "kube-system")


def test_without_aggregation_no_cluster_role_is_made_beside_the_operators(render: Render) -> None:
    made = of(render({"rbac": {"aggregate": False}}), "ClusterRole")
    assert [body["metadata"]["name"] for body in made] == ["trackpush"]


def test_a_server_to_begin_with_is_handed_to_the_operator(render: Render) -> None:
    made = render(USUAL["server"])
    (config,) = of(made, "ConfigMap")
    body = yaml.safe_load(config["data"]["server.json"])
    assert body["metadata"] == {"name": "main", "namespace": "trackpush"}
    assert body["spec"] == {"allowedNamespaces": {"from": "All"}}
    assert any(arg.startswith("--default-server=") for arg in operator(made)["args"])
    assert not of(made, "WebhookServer"), "Helm can't install a kind and a resource of it in one go"


def test_the_role_of_the_lease_names_the_lease_that_the_operator_is_given(render: Render) -> None:
    made = render()
    (role,) = of(made, "Role")
    assert role["rules"][1]["resourceNames"] == ["trackpush"]
    assert "--lease-name=trackpush" in operator(made)["args"]


def test_install_yaml_is_what_the_chart_makes(render: Render) -> None:
    checked_in = [
        document for document in yaml.safe_load_all((ROOT / "manifests/install.yaml").read_text()) if document
    ]
    assert checked_in[0]["kind"] == "Namespace"
    assert checked_in[1:] == [body for body in render() if body["kind"] != "Pod"]


def test_every_rule_has_its_line_in_the_docs(render: Render) -> None:
    page = (ROOT / "docs/rbac.md").read_text()
    roles = [*render(USUAL["namespaced"]), *render(), *render(USUAL["server"])]
    for role in [*of(roles, "ClusterRole"), *of(roles, "Role")]:
        for rule in role["rules"]:
            names = set(rule["resources"])
            lines = [
                line for line in page.splitlines() if line.startswith("|") and all(f"`{n}`" in line for n in names)
            ]
            told = {verb for line in lines for verb in rule["verbs"] if verb in line.split("|")[1]}
            assert told == set(rule["verbs"]), rule


INVALID_SERVERS = [
    *((bad, message) for kind, message, _, bad in CREATED if kind == "WebhookServer"),
    *((bad, None) for kind, bad, _ in REFUSED if kind == "WebhookServer"),
    ({"bogus": 1}, "'bogus' not allowed"),
    ({"storage": {"sqlite": {"size": "10Gi", "sise": "1"}}}, "'sise' not allowed"),
    ({"replicas": "two"}, "got string, want integer"),
    ({"hosts": [{"aggregators": ["Clickpost"]}]}, "missing property 'host'"),
    ({"hosts": [{"host": "a.example", "aggregators": ["DHL"]}]}, "at '/server/spec/hosts/0/aggregators/0'"),
    ({"hosts": [{"host": "a.example"}, {"host": "a.example"}]}, "a.example is listed twice"),
    ({"egress": {"allowedCIDRs": ["10.0.0.0/8", "10.0.0.0/8"]}}, "at '/server/spec/egress/allowedCIDRs'"),
]


@pytest.mark.parametrize(("spec", "words"), INVALID_SERVERS)
def test_an_invalid_server_fails_the_installation(template: Template, spec: dict[str, Any], words: str | None) -> None:
    refused = template({"server": {"create": True, "spec": spec}})
    assert refused.returncode != 0
    assert "server" in refused.stderr
    if words is not None and not words.startswith("write "):  # of a text's form the schema tells the pattern
        assert words in refused.stderr


@pytest.mark.parametrize("spec", [good for kind, _, good, _ in CREATED[::4] if kind == "WebhookServer"])
def test_a_valid_server_is_handed_over(render: Render, spec: dict[str, Any]) -> None:
    (config,) = of(render({"server": {"create": True, "spec": spec}}), "ConfigMap")
    assert yaml.safe_load(config["data"]["server.json"])["spec"] == spec


def test_the_schema_of_the_servers_spec_is_made_from_the_kind() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "manifests/render.py", "--check", ROOT / "manifests/install.yaml"], check=False
    )
    assert done.returncode == 0
