"""Prints the status."""

import time
from collections.abc import Sequence
from datetime import datetime

from trackpush_cli.moments import show_duration
from trackpush_cli.output import print_table, say
from trackpush_cli.status.servers import ServerState
from trackpush_server.admin.finding import AccountStatus, QueueStatus, StatusFinding

_MOST_ROWS = 20


def show(states: Sequence[ServerState], findings: Sequence[StatusFinding]) -> None:
    """Print servers, then problems, then queues, then the accounts with the oldest last updates."""
    if states:
        print_table(("SERVER", "PODS READY", "PENDING", "OLDEST", "DEAD"), [_server(state) for state in states])
    if findings:
        say()
        rows = [
            (_place(finding), finding.condition, finding.reason, _since(finding), finding.message)
            for finding in findings[:_MOST_ROWS]
        ]
        print_table(("WRONG", "CONDITION", "REASON", "SINCE", "MESSAGE"), rows)
        _more(len(findings))
    queues = [queue for state in states for queue in state.queues]
    if queues:
        say()
        print_table(("PUSHCONFIG", "PENDING", "OLDEST", "DEAD"), [_queue(queue) for queue in queues[:_MOST_ROWS]])
        _more(len(queues))
    accounts = [account for state in states for account in state.accounts]
    if accounts:
        say()
        print_table(
            ("ACCOUNT", "LAST UPDATE", "EXPECTED EVERY", "STATE"),
            [_account(account) for account in accounts[:_MOST_ROWS]],
        )
        _more(len(accounts))
    if not findings:
        say("nothing is wrong" if states else "there is no WebhookServer")


def _more(count: int) -> None:
    if count > _MOST_ROWS:
        say(f"and {count - _MOST_ROWS} more: -o json has all")


def _server(state: ServerState) -> tuple[str, ...]:
    pods = "" if state.pods is None else f"{state.ready_pods} of {state.pods}"
    if not state.answered:
        return (state.name, pods, "?", "?", "?")
    pending, dead = sum(queue.pending for queue in state.queues), sum(queue.dead for queue in state.queues)
    ages = [queue.oldest_seconds for queue in state.queues if queue.oldest_seconds is not None]
    return (state.name, pods, str(pending), show_duration(max(ages)) if ages else "", str(dead))


def _queue(queue: QueueStatus) -> tuple[str, ...]:
    oldest = "" if queue.oldest_seconds is None else show_duration(queue.oldest_seconds)
    return (queue.push_config, str(queue.pending), oldest, str(queue.dead))


def _account(account: AccountStatus) -> tuple[str, ...]:
    last = "never" if account.last_update_at is None else _ago(account.last_update_at)
    every = "" if account.expect_every_seconds is None else show_duration(account.expect_every_seconds)
    return (account.name, "?" if account.state == "unknown" else last, every, account.state)


def _place(finding: StatusFinding) -> str:
    return f"{finding.kind} {finding.name}"


def _since(finding: StatusFinding) -> str:
    return "" if finding.since is None else _ago(finding.since)


def _ago(moment: str) -> str:
    return show_duration(max(0.0, time.time() - datetime.fromisoformat(moment).timestamp())) + " ago"
