"""The demo's verdict: whatever goes wrong between post and push is named."""

from hypothesis import given
from hypothesis import strategies as st

from trackpush_cli.demo import ledger as ledger_module
from trackpush_cli.demo.ledger import Arrival, Expectation, Ledger


def expectation(number: int, *, shipment: str = "A", push_config: str = "acme/oms") -> Expectation:
    return Expectation(
        webhook_id=f"psh_{number}",
        push_config=push_config,
        account="acme/clickpost",
        shipment=shipment,
        status="DELIVERED",
        label=f"post {number}",
    )


def arrival(number: int, *, answered: int = 200, push_config: str = "acme/oms", **more: object) -> Arrival:
    return Arrival(webhook_id=f"psh_{number}", push_config=push_config, answered=answered, at=float(number), **more)  # type: ignore[arg-type]


def test_pushes_that_arrive_once_and_in_order_leave_nothing_to_say() -> None:
    ledger = Ledger()
    ledger.expect([expectation(1), expectation(2)], 0)

    ledger.arrive(arrival(1, answered=500))
    ledger.arrive(arrival(1))
    ledger.arrive(arrival(2))

    assert ledger.verdict() == []
    assert ledger.counts["failed tries"] == 1


def test_a_push_that_never_arrives_is_named() -> None:
    ledger = Ledger()
    ledger.expect([expectation(1)], 0)
    ledger.arrive(arrival(1, answered=500))

    (problem,) = ledger.verdict()

    assert "post 1" in problem
    assert "never arrived at acme/oms" in problem
    assert "1 tries" in problem


def test_a_push_that_arrives_twice_is_named() -> None:
    ledger = Ledger()
    ledger.expect([expectation(1)], 0)
    ledger.arrive(arrival(1))
    ledger.arrive(arrival(1))

    assert ledger.verdict() == ["post 1 arrived twice at acme/oms (psh_1)"]


def test_a_push_that_overtakes_another_of_its_shipment_is_named() -> None:
    ledger = Ledger()
    ledger.expect([expectation(1), expectation(2)], 0)
    ledger.arrive(arrival(2))
    ledger.arrive(arrival(1))

    assert ledger.verdict() == ["post 2 overtook post 1 of the same shipment (A) at acme/oms"]


def test_shipments_may_overtake_each_other() -> None:
    ledger = Ledger()
    ledger.expect([expectation(1, shipment="A"), expectation(2, shipment="B")], 0)
    ledger.arrive(arrival(2))
    ledger.arrive(arrival(1))

    assert ledger.verdict() == []


def test_a_push_at_the_wrong_client_is_named() -> None:
    ledger = Ledger()
    ledger.expect([expectation(1)], 0)
    ledger.arrive(arrival(1, push_config="zen/shop"))

    assert ledger.verdict() == ["post 1: went to zen/shop instead of acme/oms"]


def test_a_wrong_status_and_wrong_credentials_are_named() -> None:
    ledger = Ledger()
    ledger.expect([expectation(1)], 0)
    ledger.arrive(arrival(1, status="LOST", faults=("header X-Key is missing",)))

    assert ledger.verdict() == [
        "post 1 to acme/oms: header X-Key is missing",
        "post 1: arrived as LOST instead of DELIVERED",
    ]


def test_an_update_wrongly_marked_as_late_is_named() -> None:
    ledger = Ledger()
    ledger.expect([expectation(1)], 0)
    ledger.arrive(arrival(1, late=True))

    assert ledger.verdict() == ["post 1: arrived with late: True, not False"]


def test_a_push_that_nobody_expected_counts_as_foreign() -> None:
    ledger = Ledger()

    assert ledger.arrive(arrival(1)) is None
    assert ledger.counts["foreign"] == 1


@given(st.permutations(range(6)))
def test_any_order_but_the_posted_one_is_a_problem(order: list[int]) -> None:
    ledger = Ledger()
    ledger.expect([expectation(number) for number in range(6)], 0)
    for number in order:
        ledger.arrive(arrival(number))

    assert (ledger.verdict() == []) is (list(order) == sorted(order))


def test_only_so_many_ended_pushes_are_remembered() -> None:
    ledger = Ledger()
    for number in range(ledger_module.KEPT + 10):
        ledger.expect([expectation(number, shipment=str(number))], 0)
        ledger.arrive(arrival(number))

    assert ledger.arrive(arrival(0)) is None
    assert ledger.arrive(arrival(ledger_module.KEPT)) is not None
