"""Which statuses the operator writes because of accounts' last updates: few, however many accounts there are."""

from support.examples import examples
from trackpush_operator.store.account_activities import LEAST_BETWEEN, AccountActivities
from trackpush_operator.store.rollout import AccountReport

NOON = 1_764_500_000_000
THOUSANDS = examples(3_000)


def receiving(at: int) -> AccountReport:
    return AccountReport(state="receiving", last_update=at)


def test_each_change_of_a_state_is_written_at_once() -> None:
    activities = AccountActivities()
    both = {"a/x": receiving(NOON), "b/x": receiving(NOON)}
    assert activities.take([both], 0.0) == {"a/x", "b/x"}
    silent = AccountReport(state="silent", last_update=NOON, silent_since=NOON)
    assert activities.take([{**both, "b/x": silent}], 1.0) == {"b/x"}
    assert activities.of("b/x") == silent
    assert activities.take([{"b/x": silent}], 2.0) == {"a/x"}


def test_the_time_of_an_account_that_gets_updates_all_the_time_is_written_every_five_minutes() -> None:
    activities = AccountActivities()
    written = [
        second
        for second in range(0, 1801, 30)
        if activities.take([{"a/x": receiving(NOON + second * 1000)}], float(second))
    ]
    assert written == [0, 300, 600, 900, 1200, 1500, 1800]
    assert activities.of("a/x") == receiving(NOON + 1_800_000)


def test_thousands_of_accounts_cause_one_write_a_second_and_each_account_gets_its_turn() -> None:
    activities = AccountActivities()
    names = [f"c-{number}/x" for number in range(THOUSANDS)]
    activities.take([dict.fromkeys(names, receiving(NOON))], 0.0)
    written: list[str] = []
    for round_ in range(1, 1 + THOUSANDS * 220 // 3000):
        seconds = 30 * round_
        at = NOON + LEAST_BETWEEN + seconds * 1000
        chosen = activities.take([dict.fromkeys(names, receiving(at))], float(seconds))
        assert len(chosen) <= 30
        written += chosen
    assert set(written) == set(names)
    assert max(written.count(name) for name in names) <= 3


def test_of_several_pods_the_latest_update_counts() -> None:
    activities = AccountActivities()
    one = {"a/x": receiving(NOON), "b/x": AccountReport(state="unknown")}
    two = {"a/x": receiving(NOON + 1), "b/x": AccountReport(state="waiting")}
    activities.take([one, two], 0.0)
    assert activities.of("a/x") == receiving(NOON + 1)
    assert activities.of("b/x") == AccountReport(state="waiting")
