"""Sentences for visitors, encrypted cursors, and the state of a PushConfig that another replica serves."""

import re
from typing import Any

import pytest

from support.rows import every_row
from trackpush_server.admin.api import shapes
from trackpush_server.portal import cursors, scope
from trackpush_server.portal.cursors import CursorError

FOR_OPERATORS = re.compile(r"`trackpush|[Rr]eplica|console|API|admin")


def why(code: Any, message: str, then: str) -> shapes.Why:
    return shapes.Why(code=code, message=message, since=None, next=then, next_at=None, behind=None)


@every_row(
    ("code", "message", "then"),
    [
        ("OtherReplica", "Replica main-1 sends the pushes of acme/oms.", "That replica's console and API say why."),
        ("NoPushConfig", "PushConfig acme/oms is not in the configuration.", "`trackpush pushes drop` ends it."),
        ("WaitsForKeys", "It can't be sent: encrypted with the admin key 8c1f.", "It is sent when it is configured."),
        ("Filtered", "No PushConfig accepted this update.", "The API's replay with the state filtered sends it."),
    ],
)
def test_reasons_name_neither_replicas_nor_commands(code: str, message: str, then: str) -> None:
    shown = scope._why(why(code, message, then))
    assert not FOR_OPERATORS.search(f"{shown.message} {shown.next}"), shown


def test_other_reasons_are_those_of_the_console() -> None:
    failing = why("EndpointFailing", "The endpoint fails: HTTP 503.", "Trackpush tries one push about once a minute.")
    assert scope._why(failing) == failing


@pytest.mark.parametrize("cursor", ["1.1", "999999999999999999.999999999999999999", "0"])
def test_a_cursor_is_read_only_with_the_secret_that_encrypted_it(cursor: str) -> None:
    sealed = cursors.seal(cursor, "mine")
    assert cursors.unseal(sealed, "mine") == cursor
    assert cursors.seal(cursor, "mine") == sealed, "links to pages don't change"
    changed = sealed[:-2] + ("AA" if sealed[-2:] != "AA" else "BB")
    for text, secret in (
        (sealed, "theirs"),
        (changed, "mine"),
        (cursor, "mine"),
        ("é", "mine"),
        ("A" * 129, "mine"),
        ("", "mine"),
    ):
        with pytest.raises(CursorError):
            cursors.unseal(text, secret)
