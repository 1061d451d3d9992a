"""`trackpush send`: posts a body in an aggregator's format, with any status, to any server."""

import json
import secrets
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from trackpush_api.vocabulary import Aggregator, slug_of
from trackpush_cli.errors import CommandError, ProblemsFoundError
from trackpush_cli.explain import explain, readable
from trackpush_cli.moments import Moment
from trackpush_cli.output import say
from trackpush_cli.posting import Poster, Reply
from trackpush_cli.senders import AggregatorSender, all_senders, known_sender, sender_of_file
from trackpush_cli.target import KeyPlace, WebhookTarget, target, usual_place

if TYPE_CHECKING:
    from trackpush_aggregators.definition import InvalidDefinitionError

_OK = 200
_NOTHING = '{"accepted": 0, "duplicates": 0}'


class Facts(NamedTuple):
    """The shipment data of composed bodies; None for an invented value."""

    status: str
    awb: str | None
    order: str | None
    time: datetime | None


def _body(sender: AggregatorSender, status: str, *, awb: str, order_id: str, occurred_at: int) -> bytes:
    if sender.spec is None:
        from trackpush_aggregators import compose  # noqa: PLC0415  only here, for a fast start

        return compose(sender.name, status, awb=awb, order_id=order_id, occurred_at=occurred_at)
    from trackpush_aggregators.composing import Event  # noqa: PLC0415  same
    from trackpush_aggregators.definition import InvalidDefinitionError  # noqa: PLC0415  same
    from trackpush_aggregators.definition.composer import compose_defined  # noqa: PLC0415  same

    try:
        return compose_defined(sender.name, sender.spec, status, Event(awb, order_id, occurred_at))
    except InvalidDefinitionError as error:
        raise _mistakes(sender, error) from None


def _mistakes(sender: AggregatorSender, error: "InvalidDefinitionError") -> CommandError:
    lines = (f"definition {sender.name}: {fault.field}: {fault.message}" for fault in error.faults)
    return CommandError(*lines)


def _bodies(sender: AggregatorSender, facts: Facts, count: int) -> list[bytes]:
    start = facts.time or datetime.now(UTC).replace(microsecond=0)
    bodies = []
    for number in range(count):
        awb = facts.awb or f"9{secrets.randbelow(10**11):011d}"
        # Updates of one shipment: each is a second later, otherwise all but the first would be duplicates.
        moment = start + timedelta(seconds=number if facts.awb else 0)
        try:
            bodies.append(
                _body(
                    sender,
                    facts.status,
                    awb=awb,
                    order_id=facts.order or f"ORD-{awb[-6:]}",
                    occurred_at=int(moment.timestamp() * 1000),
                )
            )
        except ValueError as error:
            raise CommandError(f"{error}; --file posts a body of your own") from None
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


def _list(senders: Iterable[AggregatorSender]) -> None:
    for sender in senders:
        say(f"{slug_of(sender.name)}: " + " ".join(sorted(_statuses(sender))))


def _statuses(sender: AggregatorSender) -> Iterable[str]:
    if sender.spec is None:
        from trackpush_aggregators import composable  # noqa: PLC0415  only here, for a fast start

        return composable(sender.name)
    from trackpush_aggregators.definition import InvalidDefinitionError  # noqa: PLC0415  same
    from trackpush_aggregators.definition.composer import composable_by  # noqa: PLC0415  same

    try:
        return composable_by(sender.name, sender.spec)
    except InvalidDefinitionError as error:
        raise _mistakes(sender, error) from None


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


def _sender(aggregator: str | None, definition: Path | None) -> AggregatorSender | None:
    if definition is not None:
        return sender_of_file(definition, aggregator)
    return None if aggregator is None else known_sender(aggregator)


@click.command("send", epilog="Exit code: 0 if every answer was 200; 1 if one was not; 2 if there was no answer.")
@click.option(
    "--url", help="URL of the server or of the webhook. If it has no path, the aggregator's usual path is added."
)
@click.option(
    "--aggregator",
    metavar="|".join([*(each.slug for each in Aggregator), "NAME"]),
    help="Aggregator whose format and path to use.",
)
@click.option(
    "--definition",
    metavar="FILE|DIR",
    type=click.Path(path_type=Path),
    help="File with the AggregatorDefinition, or folder of resources that contains it. Without it: the catalog.",
)
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
    help="Number of updates to send: each for another shipment, or with --awb all for one.",
)
@click.option("--file", help="Post this file's body instead ('-': standard input).")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=15.0, show_default=True, help="Timeout in seconds.")
@click.option("--list", "list_only", is_flag=True, help="List the statuses that can be sent and exit.")
def command(
    *,
    url: str | None,
    aggregator: str | None,
    definition: Path | None,
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
    sender = _sender(aggregator, definition)
    if list_only:
        _list(all_senders() if sender is None else [sender])
        return
    if url is None or sender is None:
        raise click.UsageError(
            "--url and --aggregator are needed, e.g. --url http://127.0.0.1:8080 --aggregator clickpost"
        )
    place = usual_place(sender) if key_in is None else KeyPlace(key_in)
    member = sender.profile.key_member
    if place is KeyPlace.BODY and member is None:
        raise click.UsageError(f"--key-in body: bodies of {sender.name} contain no key; use another --key-in")
    if place is KeyPlace.SIGNATURE and sender.signature is None:
        raise click.UsageError(f"--key-in signature: {sender.name} signs no bodies; use another --key-in")
    secret = _key(key, key_file)
    bodies = [_read(file)] * count if file else _bodies(sender, Facts(status.upper(), awb, order, time), count)
    if secret is not None and place is KeyPlace.BODY and member is not None:
        bodies = [_with_key(member, body, secret) for body in bodies]
    where = target(url, sender, secret, place)
    last = _post(where, bodies, timeout=timeout)[-1]
    if last.status != _OK:
        sent_in = place if secret is not None else None
        raise ProblemsFoundError(explain(last.status, last.headers, where, sender, sent_in))
