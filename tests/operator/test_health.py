"""When the operator's readiness probe says that changes have no effect now."""

import pytest

from trackpush_operator.health import HealthInputs, why_dead, why_unready


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (HealthInputs(active=False, standby=False), "it waits for the Lease, but no other operator renews it"),
        (HealthInputs(active=True, synced=False), "the initial lists aren't complete"),
        (HealthInputs(active=True, synced=True, unwatched=("PushConfig",)), "PushConfig isn't watched"),
        (HealthInputs(active=True, synced=True, watching=False), "nothing is watched"),
    ],
)
def test_it_is_unready_and_says_why_while_changes_have_no_effect(inputs: HealthInputs, told: str) -> None:
    (reason,) = why_unready(inputs)
    assert told in reason
    assert why_dead(inputs) == [], "starting the process again would not help"


@pytest.mark.parametrize("inputs", [HealthInputs(active=True, synced=True), HealthInputs(active=False, standby=True)])
def test_it_is_ready_while_it_works_or_waits_for_one_that_works(inputs: HealthInputs) -> None:
    assert why_unready(inputs) == []
