"""Incomplete bodies: who may hold how many bytes, and who is dropped when there is no room."""

from itertools import count

from trackpush_server.receiver.admission import Admission, AdmissionShare, ArrivingBody


class Clock:
    """Seconds that the test advances."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Bodies:
    """A share with bodies that note when they are dropped."""

    def __init__(self, most: int, *, most_of_a_peer: int | None = None) -> None:
        self.clock = Clock()
        self.share = AdmissionShare(most, most_of_a_peer=most_of_a_peer or most, clock=self.clock)
        self.dropped: list[int] = []
        self._numbers = count()

    def enter(self, size: int, *, peer: str = "peer") -> ArrivingBody:
        number = next(self._numbers)
        body = self.share.enter(peer, 1, lambda: self.dropped.append(number))
        assert body.hold(size) or not size
        return body


def test_bytes_that_were_refused_are_not_counted() -> None:
    bodies = Bodies(10)
    first = bodies.enter(10)
    second = bodies.enter(0)

    assert not second.hold(1)
    first.release()
    assert second.hold(1)
    assert bodies.share.held == 1


def test_strangers_leave_the_share_of_known_senders_alone() -> None:
    admission = Admission(100, 40)
    stranger = admission.strangers.enter("a", 1, lambda: None)
    while stranger.hold(5):
        pass

    assert admission.known.enter("a", 1, lambda: None).hold(100)


def test_the_slowest_body_makes_room_after_its_first_second() -> None:
    bodies = Bodies(100)
    bodies.enter(60)  # 60 bytes in 10 s
    bodies.clock.now = 8.0
    bodies.enter(40)  # 40 bytes in 2 s
    bodies.clock.now = 10.0
    newcomer = bodies.enter(0)

    assert newcomer.hold(30)
    assert bodies.dropped == [0]
    assert bodies.share.held == 70


def test_no_body_is_dropped_within_its_first_second() -> None:
    bodies = Bodies(100)
    bodies.enter(100)
    bodies.clock.now = 0.9

    assert not bodies.enter(0).hold(1)
    assert bodies.dropped == []


def test_a_dropped_body_holds_nothing_more_and_its_release_changes_nothing() -> None:
    bodies = Bodies(100)
    slow = bodies.enter(100)
    bodies.clock.now = 5.0
    bodies.enter(100)

    assert not slow.hold(1)
    slow.release()
    assert bodies.share.held == 100


def test_an_address_that_holds_its_part_makes_room_by_its_own_slowest_body() -> None:
    bodies = Bodies(100, most_of_a_peer=25)
    bodies.enter(20, peer="other")
    bodies.enter(25, peer="greedy")
    bodies.clock.now = 5.0

    assert bodies.enter(0, peer="greedy").hold(25)
    assert bodies.dropped == [1]
    assert bodies.share.held == 45


def test_one_body_of_the_largest_allowed_size_always_fits() -> None:
    share = AdmissionShare(10, most_of_a_peer=2)

    assert share.enter("a", 50, lambda: None).hold(50)


def test_a_complete_body_is_never_dropped_and_makes_room_only_when_it_is_released() -> None:
    bodies = Bodies(100)
    complete = bodies.enter(100)
    complete.complete = True
    bodies.clock.now = 5.0
    newcomer = bodies.enter(0)

    assert not newcomer.hold(1)
    assert bodies.dropped == []
    complete.release()
    assert newcomer.hold(100)


def test_signed_bodies_without_a_key_leave_the_shares_of_all_others_alone() -> None:
    admission = Admission(100, 40)
    signed = admission.signed.enter("a", 1, lambda: None)
    while signed.hold(5):
        pass

    assert admission.strangers.enter("a", 1, lambda: None).hold(10)
    assert admission.known.enter("a", 1, lambda: None).hold(100)
    assert admission.held.enter("a", 1, lambda: None).hold(100)
