"""Generates CustomResourceDefinitions from the models."""

from typing import Any

from trackpush_api.kinds import KINDS, KindDefinition
from trackpush_api.kinds.base import GROUP, VERSION
from trackpush_api.kinds.patterns import WORDS
from trackpush_api.structural import structural

_MOST_CONDITIONS = 16
_MOST_NAME = 253
"""Characters of a name in Kubernetes."""
_SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def definitions() -> dict[str, dict[str, Any]]:
    """The definition of each kind, by file name."""
    return {f"{GROUP}_{kind.plural}.yaml": _definition(kind) for kind in KINDS.values()}


def _definition(kind: KindDefinition) -> dict[str, Any]:
    name, path = kind.column
    columns = [
        _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        _column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
        *(
            [_column("Delivering", '.status.conditions[?(@.type=="Delivering")].status')]
            if kind.name == "PushConfig"
            else []
        ),
        *(_ACCOUNT_COLUMNS if kind.name == "AggregatorWebhook" else ()),
        _column(name, path, "integer" if name == "Replicas" else "string"),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]
    spec = with_words(structural(kind.spec.model_json_schema(by_alias=True)))
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/name": "trackpush"}},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                "categories": ["trackpush"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": columns,
                    "subresources": {"status": {}} | ({"scale": dict(_SCALE)} if kind.name == "WebhookServer" else {}),
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": (kind.spec.__doc__ or "").strip(),
                            "required": ["spec"],
                            **(
                                {"x-kubernetes-validations": [dict(entry) for entry in kind.rules]}
                                if kind.rules
                                else {}
                            ),
                            "properties": {
                                "apiVersion": {"type": "string"},
                                "kind": {"type": "string"},
                                "metadata": {"type": "object", **_names(kind)},
                                "spec": spec,
                                "status": _status(kind),
                            },
                        },
                    },
                },
            ],
        },
    }


def _names(kind: KindDefinition) -> dict[str, Any]:
    """The bound of the name, which rules about it need: their cost must be bounded, too."""
    return {"properties": {"name": {"type": "string", "maxLength": _MOST_NAME}}} if kind.rules else {}


def _column(name: str, path: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path}


_ACCOUNT_COLUMNS = (
    _column("Receiving", '.status.conditions[?(@.type=="Receiving")].status'),
    _column("Last Update", ".status.lastUpdateTime", "date"),
    _column("Aggregator", ".spec.aggregator"),
)


def with_words(node: Any) -> Any:
    """The schema with a CEL rule instead of each pattern, so that the API server's error has advice and not a regex."""
    if isinstance(node, list):
        return [with_words(part) for part in node]
    if not isinstance(node, dict):
        return node
    result = {name: with_words(part) for name, part in node.items() if name != "x-kubernetes-validations"}
    rules = list(node.get("x-kubernetes-validations", ()))
    pattern = result.get("pattern")
    if isinstance(pattern, str) and pattern in WORDS:
        del result["pattern"]
        rules.insert(0, {"rule": f'self.matches(r"""{pattern}""")', "message": f"write {WORDS[pattern]}"})
    if rules:
        result["x-kubernetes-validations"] = rules
    return result


def _status(kind: KindDefinition) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Observed state, written by the operator only.",
        "properties": {
            **_OWN.get(kind.name, {}),
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "description": "The metadata.generation that this status describes; an older one is outdated.",
            },
            "conditions": {
                "type": "array",
                "description": "One entry per condition type; Ready is the summary.",
                "maxItems": _MOST_CONDITIONS,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": _CONDITION,
            },
        },
    }


_TEXT = {"type": "string", "maxLength": 4096}
_COUNT = {"type": "integer", "format": "int32", "minimum": 0}
_OWN: dict[str, dict[str, Any]] = {
    "AggregatorWebhook": {
        "url": {**_TEXT, "description": "URL to paste into the aggregator's panel."},
        "setup": {**_TEXT, "description": "Instructions for the aggregator's panel."},
        "lastUpdateTime": {
            "type": "string",
            "format": "date-time",
            "description": "When the aggregator last sent an update. It is written at most every five minutes.",
        },
    },
    "WebhookServer": {
        "replicas": {**_COUNT, "description": "Number of pods, ready or not."},
        "readyReplicas": {**_COUNT, "description": "Pods that are ready."},
        "selector": {**_TEXT, "description": "Labels of the pods, for autoscalers."},
    },
}
_CONDITION = {
    "type": "object",
    "description": "One aspect of the state.",
    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
    "properties": {
        "type": {"type": "string", "maxLength": 316, "description": "Type of the condition, such as Accepted."},
        "status": {
            "type": "string",
            "enum": ["True", "False", "Unknown"],
            "description": "True, False or Unknown. False needs attention, unless it is temporary.",
        },
        "reason": {"type": "string", "maxLength": 1024, "description": "Cause in one word, for programs."},
        "message": {
            "type": "string",
            "maxLength": 32768,
            "description": "Cause in a sentence, and what to do.",
        },
        "observedGeneration": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "description": "The metadata.generation that this condition describes.",
        },
        "lastTransitionTime": {
            "type": "string",
            "format": "date-time",
            "description": "Time of the last change of the condition's status.",
        },
    },
}
