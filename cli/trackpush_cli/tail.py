"""`trackpush pushes tail`: shows updates and attempts as they happen."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import click

from trackpush_cli.moments import show_duration
from trackpush_cli.output import output_option, print_data, say, say_json, show_answer
from trackpush_cli.server_options import ServerChoice, server_options
from trackpush_cli.zones import show_time, tz_option


@click.command("tail", epilog="Stop it with Ctrl-C. `-o json` prints one event per line.")
@click.option("--client", help="Only this client: its namespace.")
@click.option("--push-config", help="NAMESPACE/NAME of the destination.")
@click.option("--failed", is_flag=True, help="Only attempts that failed.")
@click.option("--count", type=click.IntRange(min=1), help="Exit after this number of events.")
@tz_option
@server_options
@output_option
def command(
    *,
    client: str | None,
    push_config: str | None,
    failed: bool,
    count: int | None,
    server: ServerChoice,
    output: str,
) -> None:
    """Show updates and attempts as they happen; of one replica, if there are several."""
    asked = {"client": client, "pushConfig": push_config, "failed": "true" if failed else None}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    for number, event in enumerate(_events(server, query), start=1):
        _print(event, output)
        if number == count:
            return


def _events(server: ServerChoice, query: str) -> Iterator[dict[str, Any]]:
    for event in server.open().events(f"/api/v1/tail?{query}"):
        if isinstance(event, dict):
            yield event
        else:
            say(f"{event} events were skipped: they arrive faster than they can be shown", err=True)


def _print(event: dict[str, Any], output: str) -> None:
    if output == "table":
        say(_line(event))
    elif output == "json":
        say_json(json.dumps(event, ensure_ascii=False))
    else:
        say("---")
        print_data(event, output)


def _line(event: dict[str, Any]) -> str:
    head = f"{show_time(event['at'])}  {event['kind']:<7}  {event['awb'] or event['shipment'] or '':<16}"
    if event["kind"] == "update":
        wanted = ", ".join(event["pushes"]) or "no PushConfig gets it"
        return f"{head}  {event['status']:<20}  {event['account']} → {wanted}"
    answer = show_answer(event["httpStatus"], event["error"])
    took = "" if event["durationMs"] is None else f" in {show_duration(event['durationMs'] / 1000)}"
    return f"{head}  {event['state']:<20}  {event['pushConfig']}  try {event['tries']}: {answer}{took}"
