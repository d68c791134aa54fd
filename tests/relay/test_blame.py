"""Which event is at fault."""

from __future__ import annotations

from itertools import islice, repeat

from relay.blame import KEPT, TRIES, Blame
from service.contract.events import new_message_id


def test_three_failures_are_its_own() -> None:
    """So many times alone, whatever others do in between; once charged it begins anew."""
    blame = Blame()
    one, other = new_message_id(), new_message_id()
    for _ in range(2):
        verdicts = []
        for _ in range(TRIES):
            verdicts.append(blame.failed(one))
            assert not blame.failed(other)
            blame.judged(other)
        assert [*islice(repeat(False), TRIES - 1), True] == verdicts
        blame.judged(one)


def test_it_forgets_in_time() -> None:
    """It remembers a bounded number of events, those that failed last."""
    blame = Blame()
    first, second = new_message_id(), new_message_id()
    for _ in range(TRIES - 1):
        blame.failed(first)
        blame.failed(second)
    for _ in range(KEPT - 1):
        blame.failed(new_message_id())
    assert not blame.failed(first)
    assert not blame.failed(second)
