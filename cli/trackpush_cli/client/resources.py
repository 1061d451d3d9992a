"""The resources of a client, as plain data. Pure: secrets come in."""

import base64
from collections.abc import Callable
from typing import Any, Final

from trackpush_aggregators.catalog import CATALOG
from trackpush_api.definitions import profiles
from trackpush_cli.client.answers import ClientAnswers

API_VERSION: Final = "trackpush.dev/v1alpha1"
Body = dict[str, Any]
Draw = Callable[[int], bytes]
"""Returns random bytes, as `secrets.token_bytes` does."""


def client_resources(answers: ClientAnswers, draw: Draw) -> list[Body]:
    """Namespace, Secret with generated keys, PushConfig, and one AggregatorWebhook for each aggregator."""
    names = {aggregator: aggregator.lower() for aggregator in answers.aggregators}
    keys = {name: draw(24).hex() for name in names.values()}
    keys["signing"] = "whsec_" + base64.b64encode(draw(32)).decode()
    if answers.header is not None:
        keys["api-key"] = draw(24).hex()
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": answers.client}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": _secret(answers), "namespace": answers.client},
            "stringData": keys,
        },
        _push_config(answers),
        *(_webhook(answers, aggregator, name) for aggregator, name in names.items()),
    ]


def server_resource(answers: ClientAnswers) -> Body:
    """The WebhookServer of `trackpush init`."""
    namespace, _, name = answers.server.partition("/")
    return {
        "apiVersion": API_VERSION,
        "kind": "WebhookServer",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "hosts": [{"host": answers.host}],
            "allowedNamespaces": {"from": "All"},
            "storage": {"sqlite": {"size": "10Gi"}},
        },
    }


def panel_texts(answers: ClientAnswers, base_path: str) -> dict[str, str]:
    """For each aggregator, what to enter in its panel; the key is named, never shown."""
    known = profiles((), CATALOG)
    texts = {}
    for aggregator in answers.aggregators:
        facts = known[aggregator]
        place = f'the value of "{aggregator.lower()}" in Secret {answers.client}/{_secret(answers)}'
        url = f"https://{answers.host}{base_path}{facts.notify_path}"
        texts[aggregator] = f"{facts.setup}\nURL: {url}\nKey: {place}"
    return texts


def _secret(answers: ClientAnswers) -> str:
    return f"{answers.client}-keys"[:253]


def _reference(answers: ClientAnswers, key: str) -> Body:
    return {"secretKeyRef": {"name": _secret(answers), "key": key}}


def _push_config(answers: ClientAnswers) -> Body:
    spec: Body = {"url": answers.url}
    if answers.header is not None:
        spec["headers"] = [{"name": answers.header, "valueFrom": _reference(answers, "api-key")}]
    spec["signing"] = {"secrets": [_reference(answers, "signing")]}
    return {
        "apiVersion": API_VERSION,
        "kind": "PushConfig",
        "metadata": {"name": answers.push_config, "namespace": answers.client},
        "spec": spec,
    }


def _webhook(answers: ClientAnswers, aggregator: str, name: str) -> Body:
    namespace, _, server = answers.server.partition("/")
    return {
        "apiVersion": API_VERSION,
        "kind": "AggregatorWebhook",
        "metadata": {"name": name, "namespace": answers.client},
        "spec": {
            "aggregator": aggregator,
            "serverRef": {"name": server, "namespace": namespace},
            "keys": [_reference(answers, name)],
            "pushConfigRefs": [{"name": answers.push_config}],
        },
    }
