"""`trackpush send`: posts a body in an aggregator's format, with any status, to any server."""

import json
import secrets
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import click

from trackpush_api.aggregators import PROFILES, profile
from trackpush_api.vocabulary import Aggregator, AggregatorName, slug_of
from trackpush_cli.errors import CommandError, ProblemsFoundError
from trackpush_cli.explain import explain, readable
from trackpush_cli.moments import Moment
from trackpush_cli.output import say
from trackpush_cli.posting import Poster, Reply
from trackpush_cli.senders import defined_names, defined_spec, sender_profile, signature_of
from trackpush_cli.target import KeyPlace, WebhookTarget, target, usual_place

_OK = 200
_NOTHING = '{"accepted": 0, "duplicates": 0}'


class Facts(NamedTuple):
    """The shipment data of composed bodies; None for an invented value."""

    status: str
    awb: str | None
    order: str | None
    time: datetime | None


def _body(aggregator: AggregatorName, status: str, *, awb: str, order_id: str, occurred_at: int) -> bytes:
    spec = defined_spec(aggregator)
    if spec is None:
        from trackpush_aggregators import compose  # noqa: PLC0415  only here, for a fast start

        return compose(aggregator, status, awb=awb, order_id=order_id, occurred_at=occurred_at)
    from trackpush_aggregators.composing import Event  # noqa: PLC0415  same
    from trackpush_aggregators.definition.composer import compose_defined  # noqa: PLC0415  same

    return compose_defined(aggregator, spec, status, Event(awb, order_id, occurred_at))


def _bodies(aggregator: AggregatorName, facts: Facts, count: int) -> list[bytes]:
    start = facts.time or datetime.now(UTC).replace(microsecond=0)
    bodies = []
    for number in range(count):
        awb = facts.awb or f"9{secrets.randbelow(10**11):011d}"
        # Updates of one shipment: each is a second later, otherwise all but the first would be duplicates.
        moment = start + timedelta(seconds=number if facts.awb else 0)
        try:
            bodies.append(
                _body(
                    aggregator,
                    facts.status,
                    awb=awb,
                    order_id=facts.order or f"ORD-{awb[-6:]}",
                    occurred_at=int(moment.timestamp() * 1000),
                )
            )
        except ValueError as error:
            raise CommandError(str(error)) from None
    return bodies


def _with_key(member: str, body: bytes, key: str) -> bytes:
    content = json.loads(body)
    if not isinstance(content, dict):
        raise CommandError(
            f"--key-in body sets the member `{member}`, but the body is not a JSON object; use --key-in query"
        )
    return json.dumps(content | {member: key}, ensure_ascii=False).encode()


def _key(key: str | None, key_file: Path | None) -> str | None:
    if key_file is None:
        return key
    try:
        return key_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--key-file {key_file}: {error}") from None


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"--file {file}: {error.strerror}") from None


def _list(aggregator: AggregatorName | None) -> None:
    for name in (*PROFILES, *defined_names()) if aggregator is None else (aggregator,):
        say(f"{slug_of(name)}: " + " ".join(sorted(_statuses(name))))


def _statuses(aggregator: AggregatorName) -> Iterable[str]:
    spec = defined_spec(aggregator)
    if spec is None:
        from trackpush_aggregators import composable  # noqa: PLC0415  only here, for a fast start

        return composable(aggregator)
    from trackpush_aggregators.definition.composer import composable_by  # noqa: PLC0415  same

    return composable_by(aggregator, spec)


def _show(reply: Reply) -> None:
    shown = readable(reply.body)
    say(f"{reply.status} {shown} in {reply.milliseconds:.1f} ms")
    if reply.status == _OK and shown == _NOTHING:
        say(
            "nothing was stored: the body names no shipment (a probe), or its AggregatorWebhook excludes its status",
            err=True,
        )


def _post(where: WebhookTarget, bodies: list[bytes], *, timeout: float) -> list[Reply]:
    replies = []
    with Poster(where, timeout=timeout) as poster:
        for body in bodies:
            replies.append(poster.post(body))
            _show(replies[-1])
            if replies[-1].status != _OK:
                break
    return replies


class _AggregatorName(click.ParamType[AggregatorName]):
    name = "aggregator"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        del param, ctx
        return "|".join([*(each.slug for each in Aggregator), "NAME"])

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> AggregatorName:
        name = str(value)
        lowered = name.lower()
        found = _built_in(lowered) or (lowered if lowered in defined_names() else None)
        if found is None:
            known = ", ".join([*(each.slug for each in Aggregator), *defined_names()])
            self.fail(f"{name!r} is not an aggregator; use one of {known}", param, ctx)
        return found


def _built_in(name: str) -> AggregatorName | None:
    """The built-in aggregator of this name, or of this segment of the URL."""
    known = {word: each.value for each in Aggregator for word in (each.slug, profile(each).path_segment)}
    return known.get(name.lower())


@click.command("send", epilog="Exit code: 0 if every answer was 200; 1 if one was not; 2 if there was no answer.")
@click.option(
    "--url", help="URL of the server or of the webhook. If it has no path, the aggregator's usual path is added."
)
@click.option("--aggregator", type=_AggregatorName(), help="Aggregator whose format and path to use.")
@click.option("--status", default="DELIVERED", show_default=True, help="Canonical status; --list shows all.")
@click.option("--key", envvar="TRACKPUSH_KEY", help="The client's key. [env: TRACKPUSH_KEY]")
@click.option("--key-file", type=click.Path(path_type=Path), help="File with the key.")
@click.option(
    "--key-in",
    type=click.Choice([place.value for place in KeyPlace]),
    help="Place of the key. Default: the aggregator's.",
)
@click.option("--awb", help="Waybill number. Default: invented.")
@click.option("--order", help="The client's order number. Default: invented.")
@click.option("--time", type=Moment(), help="Time of the event: 2h (ago) or ISO 8601. Default: now.")
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=1,
    help="Number of updates: of different shipments, or with --awb of one.",
)
@click.option("--file", help="Post this file's body instead ('-': standard input).")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=15.0, show_default=True, help="Timeout in seconds.")
@click.option("--list", "list_only", is_flag=True, help="List the statuses that can be sent and exit.")
def command(
    *,
    url: str | None,
    aggregator: AggregatorName | None,
    status: str,
    key: str | None,
    key_file: Path | None,
    key_in: str | None,
    awb: str | None,
    order: str | None,
    time: datetime | None,
    count: int,
    file: str | None,
    timeout: float,
    list_only: bool,
) -> None:
    """Post tracking updates as an aggregator would, and explain the answer.

    \b
    trackpush send --url http://127.0.0.1:8080 --aggregator clickpost --status DELIVERED --key k-1
    """  # noqa: D301 - click reads the control character
    if list_only:
        _list(aggregator)
        return
    if url is None or aggregator is None:
        raise click.UsageError(
            "--url and --aggregator are needed, e.g. --url http://127.0.0.1:8080 --aggregator clickpost"
        )
    place = usual_place(aggregator) if key_in is None else KeyPlace(key_in)
    member = sender_profile(aggregator).key_member
    if place is KeyPlace.BODY and member is None:
        raise click.UsageError(f"--key-in body: bodies of {aggregator} contain no key; use another --key-in")
    if place is KeyPlace.SIGNATURE and signature_of(aggregator) is None:
        raise click.UsageError(f"--key-in signature: {aggregator} signs no bodies; use another --key-in")
    secret = _key(key, key_file)
    bodies = [_read(file)] * count if file else _bodies(aggregator, Facts(status.upper(), awb, order, time), count)
    if secret is not None and place is KeyPlace.BODY and member is not None:
        bodies = [_with_key(member, body, secret) for body in bodies]
    where = target(url, aggregator, secret, place)
    last = _post(where, bodies, timeout=timeout)[-1]
    if last.status != _OK:
        sent_in = place if secret is not None else None
        raise ProblemsFoundError(explain(last.status, last.headers, where, aggregator, sent_in))
