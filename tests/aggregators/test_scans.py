"""The newest scan of a history, whatever form its times have."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aggregators.bodies import NOW
from support.rows import every_row
from trackpush_aggregators import times
from trackpush_aggregators.scans import Newest, newest

UNTIL = times.latest(NOW)
FIRST = datetime(2024, 2, 27, 23, 59, 57)  # noqa: DTZ001  as couriers write it
MOMENTS = st.integers(0, 4).map(lambda days: FIRST + timedelta(days=days, seconds=days % 2))
ODD = [
    "2024-02-30 10:00:00",
    "2024-02-29 24:00:01",
    "NA",
    "",
    None,
    7,
    {},
    "2099-01-01 00:00:00",
    "2023-02-29 10:00:00",
]
TWO = "2024-02-27 23:59:57\n2024-02-27 23:59:57"


def found_in(dates: list[Any], *, newest_first: bool) -> Newest:
    scans = [{"date": date, "place": place} for place, date in enumerate(dates)]
    return newest(scans, "date", lambda text: times.moment(text, UNTIL), newest_first=newest_first)


@given(moments=st.lists(MOMENTS, min_size=1, max_size=6), newest_first=st.booleans())
def test_the_usual_form_and_any_other_give_the_same_newest_scan(
    moments: list[datetime],
    newest_first: bool,  # noqa: FBT001
) -> None:
    usual = found_in([f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments], newest_first=newest_first)
    other = found_in([f"{moment:%d-%b-%Y %H:%M:%S}" for moment in moments], newest_first=newest_first)

    assert usual.scan["place"] == other.scan["place"]
    assert (usual.moment, usual.certain) == (other.moment, True)


@every_row("odd", [*ODD, TWO])
@every_row("newest_first", [True, False])
def test_one_scan_without_a_readable_time_leaves_it_uncertain(odd: object, *, newest_first: bool) -> None:
    known = ["2024-02-27 10:00:00", "2024-02-28 10:00:00", "2024-02-26 10:00:00"]
    for place in range(4):
        assert not found_in([*known[:place], odd, *known[place:]], newest_first=newest_first).certain
