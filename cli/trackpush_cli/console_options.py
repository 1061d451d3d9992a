"""The options of `serve` for the console's roles and logins."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from trackpush_cli.option_lists import with_options

if TYPE_CHECKING:
    from trackpush_server.options import ConsoleOptions

_FILE = click.Path(path_type=Path)


class ConsoleChoice(NamedTuple):
    """The values of the options."""

    console_url: str | None
    oidc_issuer: str | None
    oidc_client_id: str | None
    oidc_client_secret_file: Path | None
    oidc_scope: tuple[str, ...]
    oidc_claim: str
    oidc_view: tuple[str, ...]
    oidc_operate: tuple[str, ...]
    oidc_ca_file: Path | None

    def options(self) -> "ConsoleOptions":
        """The options in the server's form.

        Raises:
            click.UsageError: an option needs another one.
        """
        from trackpush_server.options import ConsoleOptions, OidcOptions  # noqa: PLC0415  only here, for a fast start

        if self.oidc_issuer is None:
            return ConsoleOptions(url=self.console_url)
        if self.oidc_client_id is None or self.console_url is None:
            raise click.UsageError("--oidc-issuer needs --oidc-client-id and --console-url")
        if not self.oidc_view and not self.oidc_operate:
            raise click.UsageError("--oidc-issuer needs --oidc-view or --oidc-operate: the groups that may log in")
        return ConsoleOptions(
            url=self.console_url,
            oidc=OidcOptions(
                issuer=self.oidc_issuer,
                client_id=self.oidc_client_id,
                client_secret_file=self.oidc_client_secret_file,
                scopes=tuple(dict.fromkeys(("openid", *self.oidc_scope))),
                claim=self.oidc_claim,
                view=self.oidc_view,
                operate=self.oidc_operate,
                ca_file=self.oidc_ca_file,
            ),
        )


def _option(name: str, **settings: Any) -> Callable[..., Any]:
    """An option that can also be set by an environment variable (``podTemplate``); spaces separate several values."""
    return click.option(
        name, envvar=f"TRACKPUSH_{name.strip('-').replace('-', '_').upper()}", show_envvar=True, **settings
    )


_OPTIONS = (
    _option("--console-url", help="URL of the admin port in browsers, such as https://trackpush.example.com."),
    _option("--oidc-issuer", help="Log in to the console at this OpenID provider."),
    _option(
        "--oidc-client-id", help="Trackpush's client id there; its redirect URI is CONSOLE-URL/console/oidc/callback."
    ),
    _option(
        "--oidc-client-secret-file",
        type=_FILE,
        help="File with the client secret; without it, only PKCE protects the login.",
    ),
    _option("--oidc-scope", multiple=True, default=("profile",), help="Scope to request in addition to openid."),
    _option("--oidc-claim", default="groups", show_default=True, help="Claim that contains the user's groups."),
    _option("--oidc-view", multiple=True, metavar="GROUP", help="Members of this group may view."),
    _option(
        "--oidc-operate",
        multiple=True,
        metavar="GROUP",
        help="Members of this group may also make changes and see personal data.",
    ),
    _option("--oidc-ca-file", type=_FILE, help="CA certificates for the provider, PEM."),
)


def console_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as one argument ``console``."""

    @functools.wraps(command)
    def packed(**given: Any) -> Any:
        return command(console=ConsoleChoice(*(given.pop(name) for name in ConsoleChoice._fields)), **given)

    return with_options(packed, _OPTIONS)
