"""The course of a scenario: which fault strikes when, as chance decides."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from itertools import count
from time import monotonic

from ops.chaos.fault import Fault
from ops.chaos.scene import Scene
from ops.chaos.soak.look import Look, look
from tests.oracle.availability import Injury

WITHIN = (0.2, 0.6)
"""The part of a beat in which its fault strikes: it must be over, and felt no more, by the look."""


async def inject(made: Scene, faults: Sequence[Fault], injuries: list[Injury]) -> None:
    """Inject one fault after another, a gap before each."""
    end = monotonic() + made.scenario.seconds
    while monotonic() < end:
        fault = made.chance.choice(faults)
        await asyncio.sleep(made.chance.uniform(*made.scenario.gap))
        await _strike(made, fault, injuries)


async def soak(
    made: Scene, faults: Sequence[Fault], injuries: list[Injury], looks: list[Look]
) -> None:
    """Look, inject a fault, look: one fault in each beat, and a look at its beginning and its end."""
    beat = made.scenario.beat
    if beat is None:
        raise ValueError("the scenario has no beat")
    began = monotonic()
    for number in count():
        # A million notes of requests would be gone through again and again, and hold up the client.
        gc.freeze()
        looks.append(await look(made))
        if number * beat >= made.scenario.seconds:
            return
        fault = made.chance.choice(faults)
        await asyncio.sleep(made.chance.uniform(*WITHIN) * beat)
        await _strike(made, fault, injuries)
        await asyncio.sleep(began + (number + 1) * beat - monotonic())


async def _strike(made: Scene, fault: Fault, injuries: list[Injury]) -> None:
    began = monotonic()
    try:
        await fault.inject()
        fault.times += 1
        await asyncio.sleep(made.chance.uniform(*made.scenario.hold))
    finally:
        await fault.heal()
    injuries.append(Injury(fault.name, began, monotonic()))
