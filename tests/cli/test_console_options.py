"""The console's options: who may log in, by argument or, as pods are given it, by environment variable."""

from pathlib import Path

import click
import pytest

from trackpush_cli.console_options import ConsoleChoice, console_options

ISSUER = "https://login.example.com"


@click.command()
@console_options
def choose(console: ConsoleChoice) -> None:
    """Keeps what was chosen."""
    click.get_current_context().obj.append(console)


def chosen(*arguments: str) -> ConsoleChoice:
    """What these arguments, and the environment, come to."""
    found: list[ConsoleChoice] = []
    choose.main(list(arguments), standalone_mode=False, obj=found)
    return found[0]


def test_the_environment_sets_what_the_options_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKPUSH_CONSOLE_URL", "https://trackpush.example.com")
    monkeypatch.setenv("TRACKPUSH_OIDC_ISSUER", ISSUER)
    monkeypatch.setenv("TRACKPUSH_OIDC_CLIENT_ID", "trackpush")
    monkeypatch.setenv("TRACKPUSH_OIDC_CLIENT_SECRET_FILE", "/etc/oidc/secret")
    monkeypatch.setenv("TRACKPUSH_OIDC_OPERATE", "admins oncall")

    options = chosen().options()

    assert options.url == "https://trackpush.example.com"
    assert options.oidc is not None
    assert options.oidc.issuer == ISSUER
    assert options.oidc.client_secret_file == Path("/etc/oidc/secret")
    assert options.oidc.operate == ("admins", "oncall")
    assert options.oidc.view == ()


def test_an_argument_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKPUSH_OIDC_CLAIM", "roles")

    assert chosen("--oidc-claim", "groups").oidc_claim == "groups"
    assert chosen().oidc_claim == "roles"


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("--oidc-issuer", ISSUER), "--oidc-client-id"),
        (("--oidc-issuer", ISSUER, "--oidc-client-id", "t", "--console-url", "https://t"), "--oidc-view"),
    ],
)
def test_what_an_issuer_needs_besides_is_named(arguments: tuple[str, ...], missing: str) -> None:
    with pytest.raises(click.UsageError, match=missing):
        chosen(*arguments).options()
