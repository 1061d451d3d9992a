"""Server options."""

from pathlib import Path

import msgspec

from trackpush_runtime.logs import LogFormat


class OidcOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Login to the console at an OpenID provider."""

    issuer: str
    """Its URL; its discovery document is below it."""
    client_id: str
    client_secret_file: Path | None = None
    """None: a public client, which PKCE alone protects."""
    scopes: tuple[str, ...] = ("openid", "profile")
    claim: str = "groups"
    """The claim of the ID token that tells the groups."""
    view: tuple[str, ...] = ()
    """Groups whose people may look."""
    operate: tuple[str, ...] = ()
    """Groups whose people may also act, and see personal data."""
    ca_file: Path | None = None
    """Roots for the provider's certificate, PEM; None: the system's."""


class ConsoleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The console on the admin port."""

    url: str | None = None
    """Where people's browsers reach the admin port, such as ``https://trackpush.example.com``; needed for OIDC."""
    oidc: OidcOptions | None = None

    @property
    def secure(self) -> bool:
        """Whether browsers use TLS, so that cookies are Secure."""
        return self.url is not None and self.url.startswith("https://")


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One `trackpush serve`."""

    folder: Path
    """The resources, or the shards."""
    listen: tuple[str, int] = ("127.0.0.1", 8080)
    """Where aggregators post. Port 0 takes a free one."""
    admin_listen: tuple[str, int] = ("127.0.0.1", 8081)
    admin_token_file: Path | None = None
    """Holds what the admin port asks for; None asks for nothing, and allows a loopback ``admin_listen`` only."""
    admin_view_token_file: Path | None = None
    """Holds a second token, which may only look, and sees no personal data."""
    console: ConsoleOptions = ConsoleOptions()
    data: Path
    """The journal's folder; made if missing."""
    data_volume: bool = False
    """The folder is the root of a volume that this pod alone mounts: others may be allowed to write to it."""
    wait: bool = True
    """Start, unready, while the journal's folder can't be used; False: refuse to start."""
    server: str | None = None
    """``namespace/name`` of the WebhookServer, where the folder holds several."""
    log_format: LogFormat | None = None
    """None: console on a terminal, else JSON."""
    receivers: int = 0
    """Processes that take requests; 0: this one does."""
    drain_grace: float = 25.0
    """Seconds that a stopping server gives to requests and attempts in progress."""
    lease: float = 10.0
    """Seconds after which a replica that gives no sign of life is dead; where several share a database."""
