"""Compiles ``spec.auth`` of a PushConfig to the Authorization header, or to the settings for a token."""

import base64
import re

from trackpush_api.kinds.push_config import Auth, OAuth2ClientCredentials
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason, Severity
from trackpush_api.routing import Egress, OAuth2
from trackpush_api.secrets import SecretResolver
from trackpush_api.url_checks import rules_of, url_problems

_FIELD = "spec.auth.oauth2ClientCredentials"
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""RFC 6749, section 3.3: printable ASCII without space, quote and backslash."""


def fixed_authorization(
    resource: Resource, auth: Auth, resolver: SecretResolver, problems: list[Problem]
) -> tuple[tuple[str, str], ...]:
    """The Authorization header of basic and bearer auth; none for OAuth 2.0, whose tokens change."""
    if auth.bearer is not None:
        token = resolver.header_value(auth.bearer.token, "spec.auth.bearer.token")
        return (("Authorization", f"Bearer {token}"),)
    if auth.basic is not None:
        user = resolver.value(auth.basic.username, "spec.auth.basic.username")
        password = resolver.value(auth.basic.password, "spec.auth.basic.password")
        if user is not None and ":" in user:
            message = "the Secret's value has a colon, which no user name may have (RFC 7617); remove it"
            field = "spec.auth.basic.username"
            problems.append(resource.problem(field, message, reason=Reason.SECRET_VALUE_INVALID))
        return (("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()),)
    return ()


def client_credentials(
    resource: Resource, auth: Auth | None, egress: Egress, resolver: SecretResolver, problems: list[Problem]
) -> OAuth2 | None:
    """OAuth 2.0 client credentials; None if the PushConfig has none or they have an error (noted)."""
    given = None if auth is None else auth.oauth2_client_credentials
    if given is None:
        return None
    _check(resource, given, egress, problems)
    client_id = resolver.header_value(given.client_id, f"{_FIELD}.clientId")
    client_secret = resolver.header_value(given.client_secret, f"{_FIELD}.clientSecret")
    if client_id is None or client_secret is None:
        return None
    return OAuth2(
        token_url=given.token_url, client_id=client_id, client_secret=client_secret, scopes=tuple(given.scopes)
    )


def _check(resource: Resource, given: OAuth2ClientCredentials, egress: Egress, problems: list[Problem]) -> None:
    problems.extend(
        problem
        for problem in url_problems(resource, f"{_FIELD}.tokenUrl", given.token_url, rules_of(egress))
        if problem.severity is Severity.ERROR
    )
    if "#" in given.token_url:
        message = "has a fragment (#…), which no token URL may have (RFC 6749, section 3.2); remove it"
        problems.append(resource.problem(f"{_FIELD}.tokenUrl", message, reason=Reason.INVALID))
    for index, scope in enumerate(given.scopes):
        if not _SCOPE.fullmatch(scope):
            message = (
                "is not a scope: printable ASCII without spaces, quotes and backslashes; write one scope per entry"
            )
            problems.append(resource.problem(f"{_FIELD}.scopes[{index}]", message, reason=Reason.INVALID))
