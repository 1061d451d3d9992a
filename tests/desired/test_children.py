"""What the children of a WebhookServer are."""

import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from desired.cases import SPECS, inputs
from kube.fixtures import ApiServer
from kube.rig.control_plane import ControlPlane
from kube.rig.modules import GATEWAY, PROMETHEUS, module_file
from support.pod_templates import ACCEPTED, Template
from trackpush_api import shards
from trackpush_api.aggregators import profile
from trackpush_api.vocabulary import Aggregator
from trackpush_operator.desired import children
from trackpush_operator.desired.merge import merged
from trackpush_operator.desired.secrets import admin_token_secret, routing_secret
from trackpush_operator.kube.kinds import child_api

GOLDEN = Path(__file__).parent / "golden"
_FOREIGN = ("HTTPRoute", "ServiceMonitor")


def pod(case: str) -> dict[str, Any]:
    made = {child["kind"]: child for child in children(inputs(case))}
    return (made.get("StatefulSet") or made["Deployment"])["spec"]["template"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("case", SPECS)
def test_children_are_as_in_the_golden_file(case: str) -> None:
    """``TRACKPUSH_UPDATE_GOLDEN=1`` writes the files anew; look at the difference before it is committed."""
    made = yaml.safe_dump_all(children(inputs(case)), sort_keys=False, width=120)
    file = GOLDEN / f"{case}.yaml"
    if os.environ.get("TRACKPUSH_UPDATE_GOLDEN"):
        file.write_text(made)
    assert made == file.read_text()


def exposed(case: str, paths: dict[str, str], **changes: Any) -> set[str]:
    """The paths of the Ingress or HTTPRoute."""
    made = {
        child["kind"]: child.get("spec", {})
        for child in children(msgspec.structs.replace(inputs(case, **changes), paths=paths))
    }
    if "Ingress" in made:
        return {path["path"] for rule in made["Ingress"]["rules"] for path in rule["http"]["paths"]}
    return {match["path"]["value"] for rule in made["HTTPRoute"]["rules"] for match in rule["matches"]}


@pytest.mark.parametrize("case", ["sqlite-ingress", "postgres-http-route"])
def test_a_host_is_exposed_with_the_paths_of_its_aggregators_those_of_definitions_included(case: str) -> None:
    paths = {"Clickpost": "clickpost", "parcelkit": "parcels"}
    assert exposed(case, paths) == {"/rms/in/api/clickpost"}
    assert exposed(case, paths, hosts=[{"host": "a.example", "aggregators": ["parcelkit"]}]) == {"/rms/in/api/parcels"}
    assert exposed(case, paths, hosts=[{"host": "a.example"}]) == {"/rms/in/api/clickpost", "/rms/in/api/parcels"}


def test_a_route_for_more_aggregators_than_the_gateway_api_allows_matches_the_base_path() -> None:
    paths = {f"a{number}": f"a{number}" for number in range(65)}
    assert exposed("postgres-http-route", paths, hosts=[{"host": "a.example"}]) == {"/rms/in/api"}


@pytest.mark.parametrize("case", SPECS)
def test_kubernetes_accepts_them(api_server: ApiServer, namespace: str, case: str) -> None:
    built_in = [child for child in children(inputs(case)) if child["kind"] not in _FOREIGN]
    for body in built_in:
        body["metadata"]["namespace"] = namespace
    api_server.apply(yaml.safe_dump_all(built_in), "--dry-run=server")


def test_the_gateway_api_and_the_prometheus_operator_accept_theirs(own_api_server: ControlPlane) -> None:
    """On an API server of its own: the operator's tests count on these kinds not being there."""
    for module, path in (GATEWAY, PROMETHEUS):
        own_api_server.kubectl("apply", "--server-side", "-f", str(module_file(module, path)))
    own_api_server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    theirs = [child for child in children(inputs("postgres-http-route")) if child["kind"] in _FOREIGN]
    assert len(theirs) == 2
    for body in theirs:
        body["metadata"]["namespace"] = "default"
    own_api_server.apply(yaml.safe_dump_all(theirs), "--dry-run=server")


@pytest.mark.parametrize("case", SPECS)
def test_the_restricted_pod_security_standard_admits_the_pods(api_server: ApiServer, namespace: str, case: str) -> None:
    api_server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    template = pod(case)
    template["spec"]["volumes"] = [*template["spec"]["volumes"], {"name": "data", "emptyDir": {}}]
    template["spec"]["volumes"] = list({volume["name"]: volume for volume in template["spec"]["volumes"]}.values())
    template["spec"].pop("priorityClassName", None)
    template["spec"]["serviceAccountName"] = "default"
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": namespace},
        "spec": template["spec"],
    }
    api_server.apply(yaml.safe_dump(body), "--dry-run=server")


@pytest.mark.parametrize("override", ACCEPTED.values(), ids=ACCEPTED)
def test_the_restricted_standard_admits_the_pods_with_every_pod_template_that_the_operator_accepts(
    api_server: ApiServer, namespace: str, override: Template
) -> None:
    api_server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    made = {child["kind"]: child for child in children(inputs("minimal", podTemplate=override))}
    template = made["StatefulSet"]["spec"]["template"]
    template["spec"]["volumes"].append({"name": "data", "emptyDir": {}})
    template["spec"] |= {"serviceAccountName": "default", "priorityClassName": ""}
    metadata = {**template["metadata"], "name": "x", "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    done = api_server.apply(yaml.safe_dump(body), "--dry-run=server", check=False)
    assert "violates PodSecurity" not in done.stderr


@pytest.mark.parametrize("case", SPECS)
def test_every_child_is_of_a_kind_that_the_operator_watches_and_belongs_to_the_server(case: str) -> None:
    for child in children(inputs(case)):
        child_api(child)
        (owner,) = child["metadata"]["ownerReferences"]
        assert owner["uid"] == "0f0e0d0c-0000-4000-8000-000000000001"
        assert owner["blockOwnerDeletion"] is False
        assert child["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "trackpush-operator"


def test_pods_get_no_token_and_mount_every_shard_there_may_ever_be() -> None:
    spec = pod("minimal")["spec"]
    assert spec["automountServiceAccountToken"] is False
    (routing,) = [volume["projected"]["sources"] for volume in spec["volumes"] if volume["name"] == "routing"]
    assert len(routing) == 64
    assert {source["secret"]["name"] for source in routing} == {f"main-routing-{name}" for name in shards.FILE_NAMES}
    assert all(source["secret"]["optional"] for source in routing)


def test_pods_carry_the_labels_by_which_the_operator_watches_them_whatever_is_overridden() -> None:
    case = inputs("overrides", podTemplate={"labels": {"app.kubernetes.io/managed-by": "me"}})
    (template,) = [child["spec"]["template"] for child in children(case) if child["kind"] == "StatefulSet"]
    assert template["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "trackpush-operator"


def test_draining_fits_into_the_grace_period() -> None:
    spec = pod("minimal")["spec"]
    (server,) = spec["containers"]
    (grace,) = [arg for arg in server["args"] if arg.startswith("--drain-grace=")]
    seconds = int(grace.removeprefix("--drain-grace=").removesuffix("s"))
    assert server["lifecycle"]["preStop"]["sleep"]["seconds"] + seconds < spec["terminationGracePeriodSeconds"]


def test_overrides_are_laid_over_by_name() -> None:
    spec = pod("overrides")["spec"]
    server, proxy = spec["containers"]
    assert server["resources"] == {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
    assert server["image"] == "registry.example/trackpush:1"
    assert proxy["name"] == "proxy"
    assert "topologySpreadConstraints" not in spec
    assert merged({"a": [1, 2]}, {"a": [3]}) == {"a": [3]}


def test_pods_get_the_pull_secrets_and_the_pull_policy_of_the_operator() -> None:
    plain = inputs("minimal")
    (private,) = [
        child["spec"]["template"]["spec"]
        for child in children(
            msgspec.structs.replace(plain, image_pull_policy="Always", image_pull_secrets=("one", "two"))
        )
        if child["kind"] == "StatefulSet"
    ]
    assert private["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert private["containers"][0]["imagePullPolicy"] == "Always"
    assert "imagePullSecrets" not in pod("minimal")["spec"]
    assert "imagePullPolicy" not in pod("minimal")["spec"]["containers"][0], "Kubernetes decides by the tag"


def test_a_prometheus_in_another_namespace_finds_the_service_monitor_and_reaches_the_admin_port() -> None:
    server = msgspec.structs.replace(inputs("monitored"), monitor_labels={"release": "other", "team": "rms"})
    made = {child["kind"]: child for child in children(server)}
    labels = made["ServiceMonitor"]["metadata"]["labels"]
    assert (labels["release"], labels["team"]) == ("prometheus", "rms"), "the resource's own labels win"
    assert labels["app.kubernetes.io/managed-by"] == "trackpush-operator"
    http, admin = made["NetworkPolicy"]["spec"]["ingress"]
    assert "from" not in http
    assert admin["from"][2:] == SPECS["monitored"]["monitoring"]["scrapers"]
    assert len(children(inputs("minimal"))[1]["spec"]["ingress"][1]["from"]) == 2


def test_no_user_is_named_where_the_platform_assigns_one(api_server: ApiServer, namespace: str) -> None:
    server = msgspec.structs.replace(inputs("minimal"), fixed_user=False)
    (spec,) = [child["spec"]["template"]["spec"] for child in children(server) if child["kind"] == "StatefulSet"]
    context = spec["securityContext"]
    assert not {"runAsUser", "runAsGroup", "fsGroup"} & context.keys()
    api_server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    spec = {**spec, "volumes": [*spec["volumes"], {"name": "data", "emptyDir": {}}], "serviceAccountName": "default"}
    metadata = {"name": "x", "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    api_server.apply(yaml.safe_dump(body), "--dry-run=server")


def test_receiving_processes_are_asked_for_and_get_cpu_and_memory_of_their_own() -> None:
    plain, more = (pod(case)["spec"]["containers"][0] for case in ("minimal", "receivers"))
    assert "--receivers=2" in more["args"]
    assert not [arg for arg in plain["args"] if "receivers" in arg], "a pod that needs no restart gets none"
    assert plain["resources"] == {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
    assert more["resources"] == {"requests": {"cpu": "300m", "memory": "256Mi"}, "limits": {"memory": "768Mi"}}


def test_autoscaled_pods_request_a_cpu_for_each_process_so_that_the_target_is_a_share_of_a_core() -> None:
    scaled, plain = pod("postgres-autoscaled"), pod("postgres-http-route")
    assert scaled["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "1000m"
    assert plain["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "100m"
    more = inputs("postgres-autoscaled", receivers=2)
    (deployment,) = [child for child in children(more) if child["kind"] == "Deployment"]
    (server,) = deployment["spec"]["template"]["spec"]["containers"]
    assert server["resources"]["requests"]["cpu"] == "3000m"


@pytest.mark.parametrize("source", ["Pods", "External"])
def test_pods_are_scaled_by_rate_and_queue_age_under_the_names_of_the_adapter(
    api_server: ApiServer, namespace: str, source: str
) -> None:
    names = {"source": source, "rate": "ingest_rate", "queueAge": "age", "matchLabels": {"server": "main"}}
    scaling = {"maxReplicas": 4, "targetRate": 2000, "targetQueueAge": "30s", "metrics": names}
    made = {child["kind"]: child for child in children(inputs("postgres-autoscaled", autoscaling=scaling))}
    scaler = made["HorizontalPodAutoscaler"]
    cpu, rate, age = scaler["spec"]["metrics"]
    assert cpu["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    kind = source.lower()
    assert rate[kind]["metric"] == {"name": "ingest_rate", "selector": {"matchLabels": {"server": "main"}}}
    assert rate[kind]["target"] == {"type": "AverageValue", "averageValue": "2000"}
    assert age[kind]["metric"]["name"] == "age"
    wanted = {
        "Pods": {"type": "AverageValue", "averageValue": "30000m"},
        "External": {"type": "Value", "value": "30000m"},
    }
    assert age[kind]["target"] == wanted[source]
    scaler["metadata"]["namespace"] = namespace
    api_server.apply(yaml.safe_dump(scaler), "--dry-run=server")


def test_what_is_not_asked_for_or_not_there_is_not_made() -> None:
    assert "Ingress" not in {child["kind"] for child in children(inputs("minimal"))}
    external = {"minReplicas": 2, "maxReplicas": 4, "scaledBy": "Other"}
    for changes in ({"suspend": True}, {"autoscaling": external}):
        made = {child["kind"]: child for child in children(inputs("postgres-autoscaled", **changes))}
        assert "HorizontalPodAutoscaler" not in made
        assert made["Deployment"]["spec"].get("replicas") == (0 if "suspend" in changes else None)
    lacking = inputs("postgres-http-route")
    kinds = {child["kind"] for child in children(type(lacking)(server=lacking.server, spec=lacking.spec, image="x"))}
    assert kinds.isdisjoint(_FOREIGN)


def test_secrets_hold_their_content() -> None:
    server = inputs("minimal").server
    shard = routing_secret(server, "07", b"{}")
    assert shard["metadata"]["name"] == "main-routing-07"
    assert shard["data"] == {"shard.json": "e30="}
    assert admin_token_secret(server, "t")["metadata"]["name"] == "main-admin-token"


@pytest.mark.parametrize("case", ["sqlite-ingress", "postgres-http-route"])
def test_the_paths_that_are_exposed_are_those_to_paste(case: str) -> None:
    exposed = (GOLDEN / f"{case}.yaml").read_text()
    for aggregator in Aggregator:
        assert re.search(rf"(path|value): /rms/in/api/{profile(aggregator).path_segment}$", exposed, re.MULTILINE), (
            aggregator
        )
    assert "/shiprocket" not in exposed, "its panel refuses URLs that contain its name"


def test_a_standby_shares_the_servers_volume_and_node_and_is_no_obstacle_to_a_drain() -> None:
    made = {(child["kind"], child["metadata"]["name"]): child for child in children(inputs("sqlite-standby"))}
    server = made["StatefulSet", "main"]["spec"]["template"]
    standby = made["Deployment", "main-standby"]["spec"]
    (claim,) = (volume for volume in standby["template"]["spec"]["volumes"] if volume["name"] == "data")
    assert claim["persistentVolumeClaim"] == {"claimName": "data-main-0"}
    (container,) = standby["template"]["spec"]["containers"]
    assert "--standby" in container["args"]
    assert not any(argument.startswith("--receivers") for argument in container["args"])
    assert server["spec"]["affinity"] == standby["template"]["spec"]["affinity"]
    assert standby["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}

    def matches(selector: dict[str, str], template: dict[str, Any]) -> bool:
        return selector.items() <= template["metadata"]["labels"].items()

    public = made["Service", "main"]["spec"]["selector"]
    assert matches(public, server)
    assert matches(public, standby["template"])
    assert not matches(standby["selector"]["matchLabels"], server)
    budget = made["PodDisruptionBudget", "main"]["spec"]["selector"]
    assert budget["matchExpressions"] == [{"key": "trackpush.dev/role", "operator": "DoesNotExist"}]
    assert "trackpush.dev/role" not in server["metadata"]["labels"]
    assert standby["template"]["metadata"]["labels"]["trackpush.dev/role"] == "standby"


def test_without_the_field_nothing_of_a_standby_is_made() -> None:
    text = yaml.safe_dump_all(children(inputs("minimal")))
    assert "standby" not in text
    assert "podAffinity" not in text
