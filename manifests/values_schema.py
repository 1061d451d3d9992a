"""The schema of `server.spec` in the chart's values, made from the kind: a wrong spec fails `helm install`."""

import ast
import json
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
SCHEMA = ROOT / "helm/trackpush/values.schema.json"
_KIND = ROOT / "crds/trackpush.dev_webhookservers.yaml"
_SAME = ("type", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "required", "pattern")
_MATCHES = ('self.matches(r"""', '""")')
_IS_NOT = ("!(self in ", ")")


def rendered() -> str:
    """The whole file's content."""
    schema = json.loads(SCHEMA.read_text())
    (version,) = yaml.safe_load(_KIND.read_text())["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    fields = schema["properties"]["server"]["properties"]
    fields["spec"] = strict(spec) | {"description": fields["spec"]["description"]}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def strict(node: dict[str, Any]) -> dict[str, Any]:
    """A part of the kind's schema as JSON Schema: unknown fields are refused, the rules of a text become keywords."""
    result = {name: node[name] for name in _SAME if name in node}
    if patterns := _rules(node, _MATCHES):
        (result["pattern"],) = patterns
    if excluded := _rules(node, _IS_NOT):
        result["not"] = {"enum": [text for texts in excluded for text in ast.literal_eval(texts)]}
    if node.get("x-kubernetes-list-type") == "set":
        result["uniqueItems"] = True
    if "items" in node:
        result["items"] = strict(node["items"])
    if "additionalProperties" in node:
        result["additionalProperties"] = strict(node["additionalProperties"])
    elif node.get("type") == "object" and not node.get("x-kubernetes-preserve-unknown-fields"):
        result["additionalProperties"] = False
    if "properties" in node:
        result["properties"] = {name: strict(part) for name, part in node["properties"].items()}
    return result


def _rules(node: dict[str, Any], form: tuple[str, str]) -> list[str]:
    """What is between the beginning and the end of each CEL rule of this form."""
    rules = [rule["rule"] for rule in node.get("x-kubernetes-validations", ())]
    return [rule.removeprefix(form[0]).removesuffix(form[1]) for rule in rules if rule.startswith(form[0])]
