"""Recent answers: the newest ones, within bounds of number and bytes, without those of erased updates."""

from trackpush_server.outbound.answered import Said
from trackpush_server.pusher.recent_answers import RecentAnswers


def said(size: int = 10) -> Said:
    return Said(head=b"x" * size, body=b"", request=b"", secrets=())


def kept(answers: RecentAnswers) -> list[int]:
    return [update_id for update_id in range(20) if answers.get("acme/oms", update_id, 1) is not None]


def test_the_oldest_are_dropped_beyond_the_number() -> None:
    answers = RecentAnswers(most=3)
    for update_id in range(5):
        answers.add("acme/oms", update_id, 1, said())
    assert kept(answers) == [2, 3, 4]


def test_the_oldest_are_dropped_beyond_the_bytes() -> None:
    answers = RecentAnswers(most_bytes=35)
    for update_id in range(5):
        answers.add("acme/oms", update_id, 1, said())
    assert kept(answers) == [2, 3, 4]
    answers.add("acme/oms", 5, 1, said(36))
    assert kept(answers) == [], "one that is too large alone is not kept, either"
    answers.add("acme/oms", 6, 1, said())
    assert kept(answers) == [6]


def test_an_answer_that_is_added_again_counts_once() -> None:
    answers = RecentAnswers(most_bytes=25)
    for _ in range(5):
        answers.add("acme/oms", 1, 1, said())
    answers.add("acme/oms", 2, 1, said())
    assert kept(answers) == [1, 2]


def test_erased_updates_and_a_void_journal_leave_nothing() -> None:
    answers = RecentAnswers()
    for update_id in range(3):
        answers.add("acme/oms", update_id, 1, said())
    answers.forget({1})
    assert kept(answers) == [0, 2]
    answers.clear()
    assert kept(answers) == []
