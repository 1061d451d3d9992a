"""The screen."""

import time
from collections.abc import Sequence
from datetime import datetime

from trackpush_cli.moments import show_duration
from trackpush_cli.output import print_table, say
from trackpush_cli.status.findings import Finding
from trackpush_cli.status.servers import Queue, ServerState

_MOST_ROWS = 20


def show(states: Sequence[ServerState], findings: Sequence[Finding]) -> None:
    """Servers, then what is wrong, then what waits."""
    if states:
        print_table(("SERVER", "PODS READY", "PENDING", "OLDEST", "DEAD"), [_server(one) for one in states])
    if findings:
        say()
        rows = [(_place(one), one.condition, one.reason, _since(one), one.message) for one in findings[:_MOST_ROWS]]
        print_table(("WRONG", "CONDITION", "REASON", "SINCE", "MESSAGE"), rows)
        _more(len(findings))
    queues = [one for state in states for one in state.queues]
    if queues:
        say()
        print_table(("PUSHCONFIG", "PENDING", "OLDEST", "DEAD"), [_queue(one) for one in queues[:_MOST_ROWS]])
        _more(len(queues))
    if not findings:
        say("nothing is wrong" if states else "there is no WebhookServer")


def _more(count: int) -> None:
    if count > _MOST_ROWS:
        say(f"and {count - _MOST_ROWS} more: -o json has all")


def _server(state: ServerState) -> tuple[str, ...]:
    pods = "" if state.pods is None else f"{state.ready_pods} of {state.pods}"
    if not state.answered:
        return (state.name, pods, "?", "?", "?")
    pending, dead = sum(one.pending for one in state.queues), sum(one.dead for one in state.queues)
    ages = [one.oldest_seconds for one in state.queues if one.oldest_seconds is not None]
    return (state.name, pods, str(pending), show_duration(max(ages)) if ages else "", str(dead))


def _queue(one: Queue) -> tuple[str, ...]:
    oldest = "" if one.oldest_seconds is None else show_duration(one.oldest_seconds)
    return (one.push_config, str(one.pending), oldest, str(one.dead))


def _place(one: Finding) -> str:
    return f"{one.kind} {one.name}"


def _since(one: Finding) -> str:
    if one.since is None:
        return ""
    return show_duration(max(0.0, time.time() - datetime.fromisoformat(one.since).timestamp())) + " ago"
