"""RELAY_FAULT_RATE: which handlings fail on purpose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import PendingEvent
from relay.faults import DrillFault, FaultDrill
from service.contract.events import LinkId, new_message_id

chances = st.floats(0, 1, exclude_max=True)


def event(attempts: int) -> PendingEvent:
    """An event that failed so many times before."""
    return PendingEvent(new_message_id(), LinkId(1), attempts, "-infinity", 1)


@given(chances, st.integers(1, 10), st.data())
def test_rate_one_always_fails(chance: float, max_attempts: int, data: st.DataObject) -> None:
    """At rate 1 every handling fails, the last attempt included."""
    attempts = data.draw(st.integers(0, max_attempts - 1))
    with pytest.raises(DrillFault):
        FaultDrill(1.0, max_attempts, lambda: chance)(event(attempts))


@given(chances, st.integers(1, 10), st.integers(0, 9))
def test_rate_zero_never_fails(chance: float, max_attempts: int, attempts: int) -> None:
    """At rate 0 nothing fails, even when chance gives its smallest number."""
    FaultDrill(0.0, max_attempts, lambda: chance)(event(attempts))
    FaultDrill(0.0, max_attempts, lambda: 0.0)(event(attempts))


@given(st.floats(0, 1, exclude_max=True), st.integers(2, 10))
def test_last_attempt_is_spared(rate: float, max_attempts: int) -> None:
    """Below rate 1 an event that has failed up to its last attempt passes it."""
    FaultDrill(rate, max_attempts, lambda: 0.0)(event(max_attempts - 1))


def test_attempts_before_the_last_are_not_spared() -> None:
    """Below rate 1 each attempt but the last fails when the coin says so."""
    drill = FaultDrill(0.5, 5, lambda: 0.49)
    for attempts in range(4):
        with pytest.raises(DrillFault):
            drill(event(attempts))


def test_an_only_attempt_is_not_spared() -> None:
    """With one attempt in all the drill still fails events: there is no attempt before the last."""
    with pytest.raises(DrillFault):
        FaultDrill(0.5, 1, lambda: 0.0)(event(0))


def test_rate_is_the_share_that_fails() -> None:
    """Of evenly spread chances the share `rate` fails."""
    drill = FaultDrill(0.25, 5, iter(n / 100 for n in range(100)).__next__)
    failed = 0
    for _ in range(100):
        try:
            drill(event(0))
        except DrillFault:
            failed += 1
    assert 25 == failed
