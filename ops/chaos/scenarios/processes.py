"""Service and relay are killed, ended and frozen."""

from __future__ import annotations

import signal
from functools import partial

from ops.chaos.faults.relays import Reloaded, Resting, WorkerSignalled
from ops.chaos.faults.signals import Ended, Frozen, Killed
from ops.chaos.scenario import Holds, Scenario

UNFELT = Holds(found_again=0.5, found=1.0)
"""The relay's troubles are not the redirects'."""

SCENARIOS = (
    Scenario(
        "F01",
        "service killed, again and again",
        [partial(Killed, side="service")],
        gap=(0.5, 3.0),
        seconds=180,
        smoke=15,
    ),
    Scenario(
        "F01w",
        "one of two workers of the service killed",
        [partial(WorkerSignalled, number=signal.SIGKILL)],
        gap=(1.0, 3.0),
        service={"WEB_CONCURRENCY": "2"},
        holds=Holds(found_again=0.5),
    ),
    Scenario(
        "F02",
        "rolling restart: one of two workers ended, one of two relays stopped and started",
        [partial(WorkerSignalled, number=signal.SIGTERM), Resting],
        gap=(2.0, 3.0),
        relays=2,
        service={"WEB_CONCURRENCY": "2"},
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F02h",
        "SIGHUP: all workers of the service replaced",
        [Reloaded],
        gap=(6.0, 9.0),
        service={"WEB_CONCURRENCY": "2"},
        holds=UNFELT,
    ),
    Scenario(
        "F02s",
        "the only service ended",
        [partial(Ended, side="service")],
        gap=(2.0, 4.0),
    ),
    Scenario(
        "F03",
        "the only relay killed, again and again",
        [partial(Killed, side="relay")],
        gap=(0.5, 3.0),
        seconds=180,
        relay={"RELAY_BATCH_SIZE": "500"},
        holds=UNFELT,
        smoke=12,
    ),
    Scenario(
        "F03t",
        "one of two relays killed",
        [partial(Killed, side="relay")],
        gap=(0.5, 3.0),
        relays=2,
        holds=Holds(found_again=0.5, counted_again=1.0, found=1.0),
    ),
    Scenario(
        "F05",
        "relay ended in the middle of a batch",
        [partial(Ended, side="relay")],
        gap=(1.0, 3.0),
        holds=UNFELT,
    ),
    Scenario(
        "F06",
        "relay frozen with rows in its hands, another one beside it",
        [partial(Frozen, side="relay")],
        gap=(1.0, 2.0),
        hold=(5.0, 10.0),
        relays=2,
        holds=UNFELT,
    ),
    Scenario(
        "F07",
        "service frozen in the middle of transactions",
        [partial(Frozen, side="service")],
        gap=(2.0, 4.0),
        hold=(3.0, 15.0),
        # Those that were caught in it are answered when it goes on.
        holds=Holds(slowest=None),
    ),
    Scenario(
        "F12",
        "four relays start and stop at random, and are killed",
        [Resting, partial(Killed, side="relay")],
        gap=(0.2, 1.0),
        hold=(0.2, 2.0),
        relays=4,
        relay={"RELAY_BATCH_SIZE": "50"},
        holds=UNFELT,
    ),
)
