"""Unknown codes are counted by aggregator and code, in bounded memory, over all processes."""

from trackpush_server.receiver.intake import UnknownReport
from trackpush_server.receiving import wire
from trackpush_server.telemetry.unknown_codes import MOST, UnknownCodes


class Wall:
    """A clock that the test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def report(*values: str, label: str | None = None) -> UnknownReport:
    return UnknownReport("/".join(values), label, values)


def test_updates_are_counted_by_aggregator_and_code_with_the_first_and_the_last_time() -> None:
    wall = Wall()
    codes = UnknownCodes(wall)
    codes.count("parcelkit", [report("RT", "X", label="on the way"), report("RT", "Y")])
    wall.now = 1060.0
    codes.count("parcelkit", [report("RT", "X", label="returns")])
    codes.count("ekart", [report("RT", "X")])

    counted = codes.counted()
    assert counted.since == 1_000_000
    assert [(code.aggregator, code.code, code.count, code.label) for code in counted.codes] == [
        ("parcelkit", "RT/X", 2, "returns"),
        ("ekart", "RT/X", 1, None),
        ("parcelkit", "RT/Y", 1, None),
    ]
    assert (counted.codes[0].first_at, counted.codes[0].last_at) == (1_000_000, 1_060_000)


def test_values_that_join_to_the_same_code_are_different_codes() -> None:
    codes = UnknownCodes()
    codes.count("parcelkit", [report("A/B", "C"), report("A", "B/C")])
    assert {code.values for code in codes.counted().codes} == {("A/B", "C"), ("A", "B/C")}


def test_a_built_in_aggregators_update_without_a_code_is_counted_by_its_label() -> None:
    codes = UnknownCodes()
    codes.count("shiprocket", [UnknownReport(None, label, ()) for label in ("ODD", "EVEN", "ODD")])
    assert [(code.label, code.count) for code in codes.counted().codes] == [("ODD", 2), ("EVEN", 1)]


def test_a_flood_of_codes_takes_bounded_memory_and_frequent_codes_stay() -> None:
    codes = UnknownCodes()
    codes.count("parcelkit", [report("often")] * 3)
    for number in range(5 * MOST):
        codes.count("parcelkit", [report(f"rare {number}")])
        assert len(codes.counted().codes) <= MOST if number % 97 == 0 else True
    counted = codes.counted()
    assert counted.codes[0].code == "often"
    assert len(counted.codes) <= MOST
    assert counted.forgotten + sum(code.count for code in counted.codes) == 5 * MOST + 3


def test_what_a_process_reports_is_added_once() -> None:
    wall = Wall()
    here, there = UnknownCodes(wall), UnknownCodes(wall)
    here.count("parcelkit", [report("X", label="old")])
    wall.now = 1001.0
    there.count("parcelkit", [report("X", label="new"), report("Y")])

    sent = there.take()
    assert sent is not None
    here.add(wire.read_unknown_codes(wire.unknown_codes(sent)[wire.HEAD.size :]))

    assert there.take() is None
    assert [(code.code, code.count, code.label) for code in here.counted().codes] == [("X", 2, "new"), ("Y", 1, None)]
    assert here.counted().codes[0].first_at == 1_000_000
