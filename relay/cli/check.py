"""What `relay status --check` finds wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from service.contract.observations import PipelineMeasured

STALLED_SECONDS = 60.0
"""Seconds without progress, with events waiting, after which relays count as stalled."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is still right: the age of the oldest event in seconds, dead letters, relays alive."""

    max_oldest: float
    max_dead_letters: int
    min_relays: int


def faults(state: PipelineMeasured, limits: Limits) -> list[str]:
    """Return a sentence for each limit that is not kept, with what to do."""
    found = []
    if state.oldest > limits.max_oldest:
        found.append(
            f"The oldest event has waited {state.oldest:.0f} s, more than {limits.max_oldest:g} s: "
            "see the relay's log."
        )
    if state.dead_letters > limits.max_dead_letters:
        found.append(
            f"{state.dead_letters} dead letters stand, more than {limits.max_dead_letters}: "
            "python -m relay dead-letters groups"
        )
    if state.relays < limits.min_relays:
        seen = "none was ever seen" if state.relay_seen is None else f"{state.relay_seen:.0f} s ago"
        found.append(
            f"{state.relays} relays are alive, fewer than {limits.min_relays} (last seen: {seen}): "
            "start one."
        )
    if state.waiting and state.relays and (state.relay_progress or 0) > STALLED_SECONDS:
        found.append(
            f"Events wait and no relay has made progress for {state.relay_progress:.0f} s: "
            "see the relay's log."
        )
    if state.future_hours:
        found.append(
            f"{state.future_hours} hours of rollups are in the future: "
            "the database's clock was ahead."
        )
    if state.verify_differences:
        found.append(
            f"The last verify found {state.verify_differences} differences: "
            "python -m relay verify, then rebuild"
        )
    return found
