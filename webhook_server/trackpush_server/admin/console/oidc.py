"""An OpenID provider: discovery, authorization code with PKCE, an ID token checked by joserfc. OIDC Core 1.0, §3.1.

The egress guard of pushes doesn't apply, because the person who starts the server chooses the provider. The URL must be
https, or on this machine.
"""

import asyncio
import base64
import hashlib
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from trackpush_runtime.errors import CannotStartError
from trackpush_server.admin.identity import Role
from trackpush_server.options import OidcOptions

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Only algorithms with a private key that only the provider has: neither none nor HS256."""
_LEEWAY = 60
"""Maximum difference of the clocks, in seconds."""
_FRESH_SECONDS = 300.0
"""Seconds for which discovery and keys are cached. Also the minimum time between two searches for an unknown key."""
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_MOST_BYTES = 1024 * 1024
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class OidcError(Exception):
    """A login failed. The message is for the person; it does not quote the token."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The values that the provider must return for one login."""

    state: str
    nonce: str
    verifier: str
    after: str
    """The page to redirect to after the login."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """The person who logged in, by the provider's claims."""

    actor: str
    role: Role


class _Provider(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the discovery document that this module uses."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Oidc:
    """One provider. Its methods raise OidcError."""

    def __init__(self, options: OidcOptions, *, redirect_uri: str, wall: Callable[[], float] = time.time) -> None:
        """Read the options' files; blocking.

        Raises:
            CannotStartError: a file can't be read, or the issuer is neither https nor on this machine.
        """
        parts = urlsplit(options.issuer)
        if parts.scheme != "https" and parts.hostname not in _LOCAL:
            raise CannotStartError(f"--oidc-issuer {options.issuer}: give an https:// URL")
        self._options = options
        self._redirect_uri = redirect_uri
        self._wall = wall
        self._secret = _read(options.client_secret_file)
        self._context = _context(options.ca_file)
        self._provider: _Provider | None = None
        self._keys: KeySet | None = None
        self._read_at = -_FRESH_SECONDS
        self._keys_at = -_FRESH_SECONDS

    @property
    def name(self) -> str:
        return urlsplit(self._options.issuer).hostname or self._options.issuer

    async def begin(self, after: str) -> tuple[Ticket, str]:
        """Start a login: returns the ticket to remember, and the URL for the browser."""
        provider = await self._discover()
        ticket = Ticket(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            after=after,
        )
        query = {
            "response_type": "code",
            "client_id": self._options.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self._options.scopes),
            "state": ticket.state,
            "nonce": ticket.nonce,
            "code_challenge": challenge(ticket.verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in provider.authorization_endpoint else "?"
        return ticket, f"{provider.authorization_endpoint}{joint}{urlencode(query)}"

    async def finish(self, ticket: Ticket, code: str) -> Person:
        """The person for whom the provider issued this code."""
        provider = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": ticket.verifier,
            "client_id": self._options.client_id,
        }
        answer = await self._ask("POST", provider.token_endpoint, data=form, headers=self._authorization())
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise OidcError(f"{self.name} returned no ID token")
        return self._person(await self._claims(provider, token, ticket.nonce))

    def _authorization(self) -> dict[str, str]:
        """The header for client_secret_basic; RFC 6749, section 2.3.1, requires both parts form-encoded."""
        if self._secret is None:
            return {}
        pair = f"{quote_plus(self._options.client_id)}:{quote_plus(self._secret)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def _claims(self, provider: _Provider, token: str, nonce: str) -> dict[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._wall()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": self._options.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            try:
                decoded = jwt.decode(token, await self._key_set(provider), algorithms=ALGORITHMS)
            except (JoseError, ValueError):  # the provider may have changed its keys
                decoded = jwt.decode(token, await self._key_set(provider, refresh=True), algorithms=ALGORITHMS)
            registry.validate(decoded.claims)
        except (JoseError, ValueError) as error:
            raise OidcError(f"the ID token of {self.name} is not valid: {type(error).__name__}") from None
        authorized = decoded.claims.get("azp", self._options.client_id)
        if authorized != self._options.client_id:
            raise OidcError(f"the ID token of {self.name} is for another client")
        return decoded.claims

    def _person(self, claims: Mapping[str, Any]) -> Person:
        groups = _groups(claims.get(self._options.claim))
        actor = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])[:128]
        if groups.intersection(self._options.operate):
            return Person(actor=actor, role="operate")
        if groups.intersection(self._options.view):
            return Person(actor=actor, role="view")
        raise OidcError(f"{actor} is in none of the groups that may view or operate; ask the server's administrator")

    async def _discover(self) -> _Provider:
        if self._provider is None or time.monotonic() - self._read_at > _FRESH_SECONDS:
            url = f"{self._options.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = msgspec.convert(await self._ask("GET", url), type=_Provider)
            except msgspec.ValidationError as error:
                raise OidcError(f"{self.name} is not an OpenID provider: {error}") from None
            if found.issuer.rstrip("/") != self._options.issuer.rstrip("/"):
                raise OidcError(f"{self.name} names another issuer; correct --oidc-issuer")
            self._provider, self._read_at = found, time.monotonic()
        return self._provider

    async def _key_set(self, provider: _Provider, *, refresh: bool = False) -> KeySet:
        age = time.monotonic() - self._keys_at
        if self._keys is None or age > _FRESH_SECONDS or (refresh and age > 1):
            self._keys = KeySet.import_key_set(await self._ask("GET", provider.jwks_uri))  # type: ignore[arg-type]
            self._keys_at = time.monotonic()
        return self._keys

    async def _ask(self, method: str, url: str, **what: Any) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session,
                session.request(method, url, ssl=self._context, allow_redirects=False, **what) as answer,
            ):
                content = await answer.content.read(_MOST_BYTES)
                if answer.status != 200:  # noqa: PLR2004  RFC 9110
                    raise OidcError(f"{self.name} answered {answer.status} to {method} {urlsplit(url).path}")
                found = msgspec.json.decode(content)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OidcError(f"{self.name} can't be reached: {type(error).__name__}") from error
        except msgspec.DecodeError:
            raise OidcError(f"{self.name}: the answer to {method} {urlsplit(url).path} is not JSON") from None
        if not isinstance(found, dict):
            raise OidcError(f"{self.name}: the answer to {method} {urlsplit(url).path} is not a JSON object")
        return found


def _groups(claim: Any) -> set[str]:
    """The groups in a claim. A provider may send one name, a list, null, or anything else."""
    names = claim if isinstance(claim, list | tuple) else [claim]
    return {name for name in names if isinstance(name, str)}


def challenge(verifier: str) -> str:
    """The PKCE challenge of a verifier, RFC 7636, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def open_oidc(options: OidcOptions, *, url: str) -> Oidc:
    """Create the provider for a console at this URL; see `Oidc`."""
    return await asyncio.to_thread(lambda: Oidc(options, redirect_uri=f"{url.rstrip('/')}/console/oidc/callback"))


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStartError(f"--oidc-client-secret-file {path}: {error}; write the secret into it") from None


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise CannotStartError(f"--oidc-ca-file {ca}: {error}; give PEM certificates") from None
