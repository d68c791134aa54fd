"""Events that cannot be counted, that take their worker with them, that come all at once."""

from __future__ import annotations

from functools import partial

from ops.chaos.faults.backlog import Backlog
from ops.chaos.faults.events import FarFuture, Flood, Garbage, Poison
from ops.chaos.faults.redrive import RedriveKilled
from ops.chaos.faults.signals import Killed
from ops.chaos.faults.together import Together
from ops.chaos.scenario import Holds, Scenario

SCENARIOS = (
    Scenario(
        "F08",
        "events that cannot be counted among those that can",
        [FarFuture, partial(Poison, what="raises")],
        gap=(0.2, 1.0),
        holds=Holds(found_again=0.5, counted_again=2.0, found=1.0),
        smoke=10,
    ),
    Scenario(
        "F09",
        "events that end the session they are handled in",
        [partial(Poison, what="kills")],
        gap=(10.0, 15.0),
        seconds=26,
        holds=Holds(found_again=0.5, counted_again=5.0, found=1.0),
    ),
    Scenario(
        "F10",
        "a flood of events that cannot be counted, and as many that can",
        [
            partial(
                Together,
                parts=[
                    partial(Poison, what="raises", number=1000),
                    partial(Flood, number=1000),
                ],
            )
        ],
        gap=(5.0, 10.0),
        seconds=30,
        holds=Holds(found_again=0.5, counted_again=5.0, found=1.0),
    ),
    Scenario(
        "F10s",
        "events that each take half a second",
        [partial(Poison, what="sleeps")],
        gap=(1.0, 3.0),
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F11",
        "a replay of dead letters killed in its middle, then given twice at once",
        [partial(RedriveKilled, letters=4000)],
        gap=(1.0, 2.0),
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F13",
        "jobs that PgQueuer can make nothing of",
        [Garbage],
        gap=(3.0, 5.0),
        # Each is told as the bug it is, once: it must not come again and again.
        holds=Holds(found_again=0.5, counted_again=2.0, found=1.0, traces=10),
    ),
    Scenario(
        "F37",
        "a million events have piled up when the relay comes back",
        [partial(Backlog, number=1_000_000)],
        rate=200,
        seconds=1,
        gap=(1.0, 1.0),
        holds=Holds(found_again=0.5, found=0.999),
    ),
    Scenario(
        "F38",
        "four relays meet on the rollups of two links, and are killed meanwhile",
        [partial(Flood, number=2000), partial(Killed, side="relay")],
        gap=(0.3, 1.0),
        links=2,
        relays=4,
        relay={"RELAY_BATCH_SIZE": "100"},
        holds=Holds(found_again=0.5, counted_again=1.0, found=1.0),
        smoke=10,
    ),
)
