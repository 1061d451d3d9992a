"""What the chart makes for Prometheus and Grafana."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from kube.fixtures import ROOT

ALERTS: Final = {
    "TrackpushClientFailing": "client-failing",
    "TrackpushQueueOld": "queue-old",
    "TrackpushPushesWithoutPushConfig": "pushes-without-push-config",
    "TrackpushIngestRefused": "ingest-refused",
    "TrackpushJournalSlow": "journal-slow",
    "TrackpushOperatorNotReconciling": "operator-not-reconciling",
    "TrackpushKindNotWatched": "kind-not-watched",
    "TrackpushUnknownKeyFlood": "unknown-key-flood",
    "TrackpushSenderRefused": "sender-refused",
    "TrackpushAccountSilent": "account-silent",
    "TrackpushUnrecognisedBodies": "unrecognised-bodies",
    "TrackpushUpdatesLost": "updates-lost",
}
"""Each alert, and its page in docs/runbooks."""


def rules(helm: Path) -> dict[str, Any]:
    """The spec of the PrometheusRule, which is a rule file."""
    values = {"metrics": {"prometheusRule": {"enabled": True}}}
    return dict(_made(helm, values, "PrometheusRule")["spec"])


def dashboard(helm: Path) -> dict[str, Any]:
    """The dashboard."""
    made = _made(helm, {"metrics": {"dashboard": {"enabled": True}}}, "ConfigMap")
    return dict(json.loads(made["data"]["trackpush.json"]))


def expressions(board: dict[str, Any]) -> list[str]:
    """All that the dashboard's panels and variables ask Prometheus for."""
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return asked + [variable["definition"] for variable in board["templating"]["list"] if variable["type"] == "query"]


def _made(helm: Path, values: dict[str, Any], kind: str) -> dict[str, Any]:
    command = [str(helm), "template", "trackpush", str(ROOT / "helm/trackpush"), "-n", "trackpush", "-f", "-"]
    done = subprocess.run(command, input=yaml.safe_dump(values), capture_output=True, text=True, check=True, timeout=60)
    (made,) = (document for document in yaml.safe_load_all(done.stdout) if document and document["kind"] == kind)
    return dict(made)
