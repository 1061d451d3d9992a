"""Models → CustomResourceDefinitions."""

from typing import Any

from trackpush_api.kinds import KINDS, Kind
from trackpush_api.kinds.base import GROUP, VERSION
from trackpush_api.structural import structural

_MOST_CONDITIONS = 16


def definitions() -> dict[str, dict[str, Any]]:
    """The definition of each kind, by file name."""
    return {f"{GROUP}_{kind.plural}.yaml": _definition(kind) for kind in KINDS.values()}


def _definition(kind: Kind) -> dict[str, Any]:
    name, path = kind.column
    columns = [
        _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        _column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
        *(
            [_column("Delivering", '.status.conditions[?(@.type=="Delivering")].status')]
            if kind.name == "PushConfig"
            else []
        ),
        *([_column("Aggregator", ".spec.aggregator")] if kind.name == "AggregatorWebhook" else []),
        _column(name, path, "integer" if name == "Replicas" else "string"),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]
    spec = structural(kind.spec.model_json_schema(by_alias=True))
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
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
                    "subresources": {"status": {}},
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": (kind.spec.__doc__ or "").strip(),
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": {"type": "string"},
                                "kind": {"type": "string"},
                                "metadata": {"type": "object"},
                                "spec": spec,
                                "status": _status(kind),
                            },
                        },
                    },
                },
            ],
        },
    }


def _column(name: str, path: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path}


def _status(kind: Kind) -> dict[str, Any]:
    text = {"type": "string", "maxLength": 4096}
    own: dict[str, Any] = {}
    if kind.name == "AggregatorWebhook":
        own = {
            "url": {**text, "description": "URL to paste into the aggregator's panel."},
            "setup": {**text, "description": "Where and how to paste it."},
        }
    condition = {
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": {"type": "string", "maxLength": 316},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {"type": "string", "maxLength": 1024},
            "message": {"type": "string", "maxLength": 32768},
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
        },
    }
    return {
        "type": "object",
        "properties": {
            **own,
            "observedGeneration": {"type": "integer", "format": "int64"},
            "conditions": {
                "type": "array",
                "maxItems": _MOST_CONDITIONS,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": condition,
            },
        },
    }
