"""The machine under the service, its clients, and everything at once."""

from __future__ import annotations

from functools import partial

from ops.chaos.faults.events import FarFuture, Flood, Poison
from ops.chaos.faults.host import ClockJump, Descriptors, MemoryCap, SlowClients, Starved
from ops.chaos.faults.network import CommitCut, Reset, Silent
from ops.chaos.faults.places import LogFull, LogReaderStalled
from ops.chaos.faults.server import Locked, ReadOnly
from ops.chaos.faults.sessions import BackendKilled, PostgresDown, Terminated
from ops.chaos.faults.signals import Ended, Frozen, Killed
from ops.chaos.faults.together import Together
from ops.chaos.scenario import Holds, Scenario

DEBUG = {"LOG_LEVEL": "debug"}
"""Each redirect is logged."""

SCENARIOS = (
    Scenario(
        "F51",
        "the clock jumps by five minutes, or by a day",
        [partial(ClockJump, seconds=300), partial(ClockJump, seconds=86_400)],
        gap=(1.0, 2.0),
        hold=(2.0, 5.0),
        relays=2,
        clock=True,
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F52",
        "more clients than the service may open descriptors",
        [partial(Descriptors, limit=100, clients=500)],
        gap=(2.0, 4.0),
        hold=(2.0, 5.0),
    ),
    Scenario(
        "F53",
        "2,000 requests a second, memory capped, Postgres silent",
        [
            partial(
                Together,
                parts=[partial(MemoryCap, more=64), partial(Silent, side="service")],
            )
        ],
        rate=2000,
        seconds=30,
        gap=(3.0, 5.0),
        hold=(5.0, 10.0),
        through=["service"],
    ),
    Scenario(
        "F54",
        "others compute on every core, service and relay are nice",
        [partial(Starved, loops=4)],
        rate=300,
        gap=(2.0, 3.0),
        hold=(5.0, 8.0),
        relays=2,
        holds=Holds(slowest=None),
    ),
    Scenario(
        "F55",
        "the disk they log to is full, as they run and as they start",
        [
            LogFull,
            partial(Together, parts=[LogFull, partial(Killed, side="service")]),
            partial(Together, parts=[LogFull, partial(Killed, side="relay")]),
        ],
        gap=(2.0, 3.0),
        hold=(3.0, 5.0),
        service=DEBUG,
        relay=DEBUG,
        ground="small log",
    ),
    Scenario(
        "F56",
        "the reader of the logs stalls",
        [LogReaderStalled],
        gap=(0.5, 1.0),
        hold=(3.0, 5.0),
        service=DEBUG,
        relay=DEBUG,
        piped_log=True,
        holds=Holds(found_again=0.5, counted_again=2.0, found=1.0),
        smoke=5,
    ),
    Scenario(
        "F57",
        "the reader of the logs stalls for longer than lines are kept",
        [LogReaderStalled],
        gap=(1.0, 2.0),
        hold=(20.0, 25.0),
        service=DEBUG,
        relay=DEBUG,
        piped_log=True,
        holds=Holds(found_again=0.5, counted_again=2.0, found=1.0),
    ),
    Scenario(
        "F58",
        "a thousand clients that dawdle",
        [partial(SlowClients, clients=1000)],
        gap=(2.0, 4.0),
        hold=(10.0, 20.0),
        holds=Holds(found=0.999),
    ),
    Scenario(
        "ALL",
        "everything, in any order",
        [
            partial(Killed, side="service"),
            partial(Killed, side="relay"),
            partial(Ended, side="service"),
            partial(Frozen, side="relay"),
            partial(Terminated, side="service", rate=10),
            partial(Terminated, side="relay", rate=10),
            partial(BackendKilled, side="relay"),
            partial(PostgresDown, manner="immediate"),
            partial(PostgresDown, manner="fast"),
            partial(CommitCut, side="service", share=0.1),
            partial(CommitCut, side="relay", share=0.3),
            partial(Reset, side="service", share=0.5),
            Locked,
            ReadOnly,
            FarFuture,
            partial(Poison, what="raises"),
            partial(Flood, number=1000),
        ],
        seconds=180,
        gap=(0.2, 2.0),
        hold=(0.5, 2.0),
        relays=3,
        through=["service", "relay"],
        holds=Holds(found_again=None, counted_again=None),
    ),
)
