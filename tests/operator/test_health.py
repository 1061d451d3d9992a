"""When the operator's readiness probe says that changes have no effect now."""

import pytest

from trackpush_operator.health import Vitals, why_dead, why_unready


@pytest.mark.parametrize(
    ("vitals", "told"),
    [
        (Vitals(active=False, standby=False), "it waits for the Lease, and no other operator is known to work"),
        (Vitals(active=True, synced=False), "the first lists aren't in"),
        (Vitals(active=True, synced=True, unwatched=("PushConfig",)), "PushConfig isn't watched"),
        (Vitals(active=True, synced=True, watching=False), "nothing is watched"),
    ],
)
def test_it_is_unready_and_says_why_while_changes_have_no_effect(vitals: Vitals, told: str) -> None:
    (reason,) = why_unready(vitals)
    assert told in reason
    assert why_dead(vitals) == [], "starting the process again would not help"


@pytest.mark.parametrize("vitals", [Vitals(active=True, synced=True), Vitals(active=False, standby=True)])
def test_it_is_ready_while_it_works_or_waits_for_one_that_works(vitals: Vitals) -> None:
    assert why_unready(vitals) == []
