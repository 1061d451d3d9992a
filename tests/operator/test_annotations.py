"""Annotations of an Ingress that reach beyond it are refused, unless an administrator permits them."""

import pytest

from trackpush_api.kinds import WebhookServerSpec
from trackpush_operator.decide.server import ServerSnapshot, findings, makes_children

NGINX = "nginx.ingress.kubernetes.io"


def snapshot(*names: str, allowed: bool = False) -> ServerSnapshot:
    expose = {"ingress": {"annotations": dict.fromkeys(names, "x")}}
    spec = WebhookServerSpec.model_validate({"expose": expose})
    return ServerSnapshot(name="main", spec=spec, any_annotation=allowed)


@pytest.mark.parametrize(
    "name",
    [
        f"{NGINX}/server-snippet",
        f"{NGINX}/configuration-snippet",
        f"{NGINX}/auth-snippet",
        "nginx.org/location-snippets",
        "haproxy.org/backend-config-snippet",
        "haproxy-ingress.github.io/config-backend",
        f"{NGINX}/server-alias",
        f"{NGINX}/Server-Alias",
        "haproxy-ingress.github.io/server-alias-regex",
        "external-dns.alpha.kubernetes.io/hostname",
    ],
)
def test_an_annotation_that_reaches_beyond_the_ingress_is_refused_by_name(name: str) -> None:
    refused = snapshot("cert-manager.io/cluster-issuer", name)
    accepted = next(finding for finding in findings(refused) if finding.type == "Accepted")
    assert (accepted.status, accepted.reason) == ("False", "AnnotationNotAllowed")
    assert f"must not contain {name}:" in accepted.message
    assert "remove them" in accepted.message
    assert not makes_children(refused)
    assert makes_children(snapshot(name, allowed=True))


@pytest.mark.parametrize(
    "name",
    [
        "cert-manager.io/cluster-issuer",
        "alb.ingress.kubernetes.io/certificate-arn",
        f"{NGINX}/proxy-body-size",
        "traefik.ingress.kubernetes.io/router.entrypoints",
        "trackpush.dev/underscores",
        "external-dns.alpha.kubernetes.io/ttl",
    ],
)
def test_other_annotations_are_set(name: str) -> None:
    assert makes_children(snapshot(name))
