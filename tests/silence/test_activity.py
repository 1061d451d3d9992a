"""When an account is silent."""

import pytest

from trackpush_api.routing import Account
from trackpush_server.journal.last_updates import AccountTimes, Listening
from trackpush_server.silence.activity import GRACE, AccountActivity, ActivityState, activity

NOW = 1_760_000_000_000
HOUR = 3_600_000
ACME = Account(name="acme/clickpost", aggregator="Clickpost", key_digests=(), expect_every=6 * 3600.0)
ALWAYS = Listening(until=NOW)


def of(
    last: int | None = None,
    served: int | None = NOW - 100 * HOUR,
    *,
    listening: Listening | None = ALWAYS,
    account: Account = ACME,
    now: int = NOW,
) -> AccountActivity:
    return activity(account, AccountTimes(last_update=last, served_since=served), listening, now)


@pytest.mark.parametrize(
    ("hours_ago", "state"),
    [(0, "receiving"), (5.99, "receiving"), (6.0, "receiving"), (6.04, "silent"), (1000, "silent")],
)
def test_an_account_is_silent_a_moment_after_the_expected_time(hours_ago: float, state: ActivityState) -> None:
    last = NOW - int(hours_ago * HOUR)
    found = of(last, served=NOW - 2000 * HOUR)
    assert found.state == state
    assert found.last_update == last
    assert found.silent_since == (last if state == "silent" else None)


def test_an_account_that_never_sent_an_update_is_silent_the_expected_time_after_it_was_served() -> None:
    assert of(served=NOW - HOUR).state == "waiting"
    found = of(served=NOW - 6 * HOUR - GRACE)
    assert (found.state, found.silent_since, found.last_update) == ("silent", NOW - 6 * HOUR - GRACE, None)


def test_an_account_that_is_served_again_has_the_expected_time() -> None:
    old = NOW - 9000 * HOUR
    assert of(old, served=NOW - HOUR).state == "receiving"
    assert of(old, served=NOW - 7 * HOUR).silent_since == old


def test_an_account_without_an_expected_time_is_never_silent_and_shows_its_last_update() -> None:
    account = Account(name="acme/clickpost", aggregator="Clickpost", key_digests=())
    found = of(NOW - 9000 * HOUR, account=account)
    assert (found.state, found.last_update) == ("unwatched", NOW - 9000 * HOUR)


def test_nothing_is_known_until_the_journal_was_read() -> None:
    assert of(listening=None).state == "unknown"
    assert of(last=None, served=None).state == "unknown"


def test_time_in_which_no_server_could_receive_does_not_count() -> None:
    """A server that was down for a weekend must not report every account on Monday."""
    down = Listening(until=NOW, pause_from=NOW - 60 * HOUR, pause_to=NOW - HOUR)
    assert of(NOW - 61 * HOUR, listening=down).state == "receiving"
    assert of(NOW - 66 * HOUR, listening=down).state == "silent"
    later = NOW + 4 * HOUR + GRACE
    assert of(NOW - 61 * HOUR, listening=down, now=later).state == "silent"


def test_an_account_that_was_silent_before_a_pause_is_silent_after_it() -> None:
    down = Listening(until=NOW, pause_from=NOW - 60 * HOUR, pause_to=NOW)
    assert of(NOW - 70 * HOUR, listening=down).state == "silent"


def test_a_last_update_in_the_future_is_shown_as_now() -> None:
    assert of(NOW + HOUR).last_update == NOW
