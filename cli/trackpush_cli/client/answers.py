"""The five questions about a new client, answered by options or asked on a terminal."""

import re
import sys
from typing import Final
from urllib.parse import urlsplit

import click
import msgspec

from trackpush_aggregators.catalog import CATALOG
from trackpush_api.vocabulary import Aggregator
from trackpush_cli.errors import CommandError

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+")
BUILT_IN: Final = {each.slug: each.value for each in Aggregator}


class ClientAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """What the resources of a client are made of."""

    client: str
    """Its namespace."""
    url: str
    """Where its pushes go."""
    aggregators: tuple[str, ...]
    """Names as in ``spec.aggregator``."""
    header: str | None
    """The header in which the client expects its key; None: no key."""
    host: str
    """The host at which aggregators reach the server."""
    push_config: str = "oms"
    server: str = "trackpush/main"


def ask(
    client: str | None, url: str | None, aggregators: tuple[str, ...], header: str | None, host: str | None
) -> tuple[str, str, tuple[str, ...], str | None, str]:
    """The answers, those that are missing asked on the terminal.

    Raises:
        CommandError: answers are missing, and there is no terminal.
    """
    options = {"CLIENT": client, "--url": url, "--aggregator": aggregators, "--host": host}
    missing = [name for name, value in options.items() if not value]
    if missing and not sys.stdin.isatty():
        raise CommandError(f"{', '.join(missing)} missing; without a terminal nothing can be asked")
    interactive = bool(missing)
    client = client or click.prompt("1. The client's name, which becomes its namespace", err=True, type=str)
    url = url or click.prompt("2. URL that gets its pushes", err=True, type=str)
    if not aggregators:
        known = ", ".join((*BUILT_IN, *sorted(CATALOG)))
        text: str = click.prompt(f"3. Its aggregators, separated by commas ({known})", err=True, type=str)
        aggregators = tuple(part.strip() for part in text.split(",") if part.strip())
    if header is None and interactive:
        header = click.prompt(
            "4. Header in which it expects its API key (empty: none)", err=True, default="", show_default=False
        )
    host = host or click.prompt("5. Host at which the aggregators reach Trackpush", err=True, type=str)
    return client, url, aggregators, header or None, host


def checked(answers: ClientAnswers) -> ClientAnswers:
    """The answers, with the aggregators' names as resources have them.

    Raises:
        CommandError: an answer can't be used; the message says which, and what to write.
    """
    for what, value in (("the client's name", answers.client), ("the PushConfig's name", answers.push_config)):
        if not _LABEL.fullmatch(value):
            raise CommandError(f"{what} {value!r}: write lower-case letters, digits and hyphens, at most 63, like acme")
    if not all(_LABEL.fullmatch(part) for part in answers.server.split("/")) or answers.server.count("/") != 1:
        raise CommandError(f"--server {answers.server!r}: write NAMESPACE/NAME of the WebhookServer")
    if not _HOST.fullmatch(answers.host):
        raise CommandError(f"the host {answers.host!r}: write a DNS name without https:// and path")
    if answers.header is not None and not _HEADER.fullmatch(answers.header):
        raise CommandError(f"the header {answers.header!r}: write a header's name, like X-Api-Key")
    _check_url(answers.url)
    names = tuple(dict.fromkeys(aggregator_name(name) for name in answers.aggregators))
    return msgspec.structs.replace(answers, aggregators=names)


def aggregator_name(text: str) -> str:
    """The name of an aggregator as in ``spec.aggregator``: built in, or of the catalog.

    Raises:
        CommandError: there is no such aggregator.
    """
    name = text.strip().lower()
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name in CATALOG:
        return name
    known = ", ".join((*BUILT_IN, *sorted(CATALOG)))
    raise CommandError(f"the aggregator {text!r} is unknown; use {known}")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise CommandError("the URL of the pushes: write https://HOST/PATH")
