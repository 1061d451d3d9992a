"""Server options."""

from pathlib import Path

import msgspec

from trackpush_runtime.logs import LogFormat


class OidcOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options for the login to the console at an OpenID provider."""

    issuer: str
    """The provider's URL; its discovery document is below it."""
    client_id: str
    client_secret_file: Path | None = None
    """None for a public client, which is protected only by PKCE."""
    scopes: tuple[str, ...] = ("openid", "profile")
    claim: str = "groups"
    """The claim of the ID token with the person's groups."""
    view: tuple[str, ...] = ()
    """Groups whose members may view."""
    operate: tuple[str, ...] = ()
    """Groups whose members may also make changes and see personal data."""
    ca_file: Path | None = None
    """Root certificates for the provider's TLS certificate, PEM; None: the system's."""


class ConsoleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the console on the admin port."""

    url: str | None = None
    """URL at which browsers reach the admin port, such as ``https://trackpush.example.com``; needed for OIDC."""
    oidc: OidcOptions | None = None

    @property
    def secure(self) -> bool:
        """Whether browsers use TLS, so that cookies are Secure."""
        return self.url is not None and self.url.startswith("https://")


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one `trackpush serve`."""

    folder: Path
    """The folder of resources or of shards."""
    listen: tuple[str, int] = ("127.0.0.1", 8080)
    """Address for aggregators. Port 0 chooses a free port."""
    admin_listen: tuple[str, int] = ("127.0.0.1", 8081)
    portal_listen: tuple[str, int] | None = None
    """Address of the portal for clients' people; None: it is not served."""
    admin_token_file: Path | None = None
    """File with the admin port's token. None: no authentication, and ``admin_listen`` must be on loopback."""
    admin_view_token_file: Path | None = None
    """File with a second token, whose role is view: it can change nothing and sees no personal data."""
    console: ConsoleOptions = ConsoleOptions()
    data: Path
    """The journal's folder; created if missing."""
    data_volume: bool = False
    """Whether the folder is the root of a volume that only this pod mounts.

    Then other users may have write permission.
    """
    wait: bool = True
    """Whether to start, unready, while the journal's folder can't be used; if False, refuse to start."""
    server: str | None = None
    """``namespace/name`` of the WebhookServer, if the folder has several."""
    log_format: LogFormat | None = None
    """None: console on a terminal, otherwise JSON."""
    standby: bool = False
    """Receive for the server that owns the journal of ``data``, and never open the journal."""
    receivers: int = 0
    """Number of receiving processes; 0: the main process accepts requests."""
    drain_grace: float = 25.0
    """Seconds for requests and attempts in progress when the server stops."""
    lease: float = 10.0
    """Seconds without a sign of life after which a replica counts as dead; only if several share a database."""
