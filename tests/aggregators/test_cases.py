"""Every sample payload is read as its case says."""

import json
import re
from typing import Any

from aggregators.bodies import SAMPLES, one, read, sample
from support.rows import every_row
from trackpush_api.vocabulary import Aggregator

CASES: list[dict[str, Any]] = json.loads((SAMPLES / "cases.json").read_text())
BY_SLUG = {each.slug: each for each in Aggregator}


@every_row("case", CASES)
def test_a_sample_has_its_cases_direction_status_and_reason(case: dict[str, Any]) -> None:
    expected = re.search(r"(\w+)/(\w+)(?:, ndr=(\w+))?", case["expected"])

    parsed = read(BY_SLUG[case["aggregator"]], sample(case["file"]))

    if expected is None:
        assert not parsed.identified
        assert parsed.updates == ()
    else:
        (update,) = parsed.updates
        assert (update.direction, update.status, update.ndr_reason) == expected.groups()
        assert parsed.identified


@every_row("case", CASES)
def test_only_the_aggregators_own_dummies_are_marked_as_tests(case: dict[str, Any]) -> None:
    dummies = {"15_test_webhook_xyzabc", "12_panel_minimal_ping", "15_panel_dummy_sample"}

    updates = read(BY_SLUG[case["aggregator"]], sample(case["file"])).updates

    assert [update.test for update in updates] == [any(name in case["file"] for name in dummies)] * len(updates)


@every_row("pair", [("clickpost/03_delivered_selected", "clickpost/14_duplicate_of_03"),
                                  ("shiprocket/02_delivered", "shiprocket/11_duplicate_of_02")])  # fmt: skip
def test_a_repeat_has_the_identity_of_the_first(pair: tuple[str, str]) -> None:
    aggregator = BY_SLUG[pair[0].split("/")[0]]

    first, repeat = (one(aggregator, sample(f"{name}.json")) for name in pair)

    assert first.identity == repeat.identity


def test_samples_within_one_aggregator_that_are_no_repeats_have_identities_of_their_own() -> None:
    updates = [
        (update.aggregator, update.identity)
        for case in CASES
        if "duplicate" not in case["file"]
        for update in read(BY_SLUG[case["aggregator"]], sample(case["file"])).updates
    ]

    assert len(set(updates)) == len(updates)
