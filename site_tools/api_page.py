"""The reference of the admin API as Markdown, from its OpenAPI description. `hooks.py` puts it into the site's page."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def reference(description: Schema) -> str:
    """The Markdown of all operations and schemas."""
    operations = [
        "".join(_operation(method.upper(), path, operation))
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = ["".join(_schema(name, schema)) for name, schema in description["components"]["schemas"].items()]
    return f"\n## Operations\n\n{''.join(operations)}## Objects\n\n{''.join(schemas)}".rstrip() + "\n"


def _operation(method: str, path: str, operation: Schema) -> Iterator[str]:
    yield f"### {method} {path}\n\n{operation['summary']}.\nRole: {operation['x-role']}.\n\n"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "| parameter | in | type | meaning |\n|---|---|---|---|\n"
        for parameter in parameters:
            required = "required; " if parameter.get("required") and parameter["in"] != "path" else ""
            text = required + _text(parameter["schema"])
            yield f"| `{parameter['name']}` | {parameter['in']} | {_type(parameter['schema'])} | {text} |\n"
        yield "\n"
    if "requestBody" in operation:
        yield f"Body: {_content(operation['requestBody'])}.\n\n"
    answers = operation["responses"].items()
    yield "".join(f"- {status}: {_content(answer)}\n" for status, answer in answers if status < "300")
    yield f"- {', '.join(status for status, _ in answers if status >= '300')}: [ProblemDetails](#problemdetails)\n\n"


def _content(message: Schema) -> str:
    kinds = message.get("content", {})
    shown = [f"{_type(content['schema'])} (`{kind}`)" for kind, content in kinds.items() if "schema" in content]
    return " or ".join(shown) or str(message.get("description", "no body"))


def _schema(name: str, schema: Schema) -> Iterator[str]:
    text = schema.get("description", "")
    yield f"### {name}\n\n" + (f"{text}\n\n" if text else "")
    if "enum" in schema:
        yield ", ".join(f"`{value}`" for value in schema["enum"]) + "\n\n"
    properties = schema.get("properties", {})
    if properties:
        required = schema.get("required", ())
        yield "| member | type | meaning |\n|---|---|---|\n"
        for member, inner in properties.items():
            kind = _type(inner) + ("" if member in required else ", optional")
            yield f"| `{member}` | {kind} | {_text(inner)} |\n"
        yield "\n"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(alternative) for alternative in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "any JSON"))


def _text(schema: Schema) -> str:
    described = (schema, *schema.get("anyOf", ()))
    text = next((part["description"] for part in described if "description" in part), "")
    bounds = [
        f"{label} {schema[name]}" for name, label in (("minimum", "at least"), ("maximum", "at most")) if name in schema
    ]
    default = [f"default `{json.dumps(schema['default'])}`"] if schema.get("default") not in (None, [], {}) else []
    return "; ".join([part for part in (text.rstrip("."), *bounds, *default) if part]).replace("|", "\\|")
