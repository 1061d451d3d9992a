"""What the demo shows: plain lines for pipes, a table for terminals, both in the order of what happened."""

import io

from rich.console import Console

from trackpush_cli.demo.ledger import Arrival, DemoPush, Expectation, Ledger
from trackpush_cli.demo.view import ClientLine, DemoView, LiveView, PlainView, make_view


def console(*, width: int = 140, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, height=30, highlight=False)


def text_of(it: Console) -> str:
    assert isinstance(it.file, io.StringIO)
    return it.file.getvalue()


def posted(ledger: Ledger, number: int) -> DemoPush:
    (push,) = ledger.expect(
        [
            Expectation(
                webhook_id=f"psh_{number}",
                push_config="acme/oms",
                account="acme/clickpost",
                shipment="1904",
                status="DELIVERED",
                label="03_delivered",
            )
        ],
        at=10.0,
    )
    return push


def line(push: DemoPush | None, *, note: str = "") -> ClientLine:
    return ClientLine(
        clock="20:00:00",
        aggregator="clickpost",
        label="03_delivered",
        shipment="1904",
        stored="1 new 3.1 ms",
        push=push,
        note=note,
    )


def arrive(view: DemoView, ledger: Ledger, number: int, *, answered: int, at: float) -> None:
    arrival = Arrival(webhook_id=f"psh_{number}", push_config="acme/oms", answered=answered, at=at, status="DELIVERED")
    view.arrived(ledger.arrive(arrival), arrival)


def test_without_a_terminal_each_event_is_one_plain_line() -> None:
    out, ledger = console(terminal=False, width=40), Ledger()
    view = make_view(out, ledger.counts, ledger.problems)
    assert isinstance(view, PlainView)
    push = posted(ledger, 1)
    push.stored_at = 11.0
    view.posted([line(push)])
    arrive(view, ledger, 1, answered=500, at=11.5)
    arrive(view, ledger, 1, answered=200, at=12.0)

    lines = text_of(out).splitlines()

    assert len(lines) == 3
    assert lines[0].endswith("received  clickpost 03_delivered 1904 -> 1 new 3.1 ms")
    assert lines[1].endswith("failed    acme/oms 03_delivered 1904 -> 500, try 1, 1.5s after the post")
    assert lines[2].endswith("pushed    acme/oms got DELIVERED 03_delivered 1904 -> 200, try 2, 2.0s after the post")


def test_a_push_that_arrives_before_its_200_is_read_is_reported_after_its_post() -> None:
    out, ledger = console(terminal=False), Ledger()
    view = make_view(out, ledger.counts, ledger.problems)
    push = posted(ledger, 1)
    arrive(view, ledger, 1, answered=200, at=11.0)
    push.stored_at = 11.1
    view.posted([line(push)])

    assert ["received" in each for each in text_of(out).splitlines()] == [True, False]


def test_a_terminal_gets_a_table_with_every_stage_of_the_way() -> None:
    out, ledger = console(terminal=True), Ledger()
    view = make_view(out, ledger.counts, ledger.problems)
    assert isinstance(view, LiveView)
    push = posted(ledger, 1)
    push.stored_at = 11.0
    view.posted([line(push), line(None, note="duplicate: not pushed again")])
    arrive(view, ledger, 1, answered=200, at=11.25)
    view.close()

    shown = text_of(out)

    for word in ("20:00:00", "1 new 3.1 ms", "acme/oms", "DELIVERED", "1.2s", "duplicate: not pushed again"):
        assert word in shown


def test_a_narrow_terminal_drops_columns_rather_than_cutting_all_of_them() -> None:
    out, ledger = console(terminal=True, width=80), Ledger()
    view = make_view(out, ledger.counts, ledger.problems)
    view.posted([line(posted(ledger, 1))])
    view.close()

    assert "tracking update" not in text_of(out)
    assert "DELIVERED" in text_of(out)
