"""An hour of moderate traffic with a fault each minute: what grows, grows here."""

from __future__ import annotations

from functools import partial

from ops.chaos.faults.network import CommitCut, Refused, Reset, Silent
from ops.chaos.faults.server import Locked
from ops.chaos.faults.sessions import BackendKilled, PostgresDown, Terminated
from ops.chaos.faults.signals import Frozen, Killed
from ops.chaos.scenario import Holds, Scenario

SCENARIOS = (
    Scenario(
        "SOAK",
        "300 requests a second for an hour, a fault and a look at what grows each minute",
        [
            partial(Killed, side="service"),
            partial(Killed, side="relay"),
            partial(Frozen, side="service"),
            partial(Frozen, side="relay"),
            partial(Terminated, side="service", rate=5),
            partial(Terminated, side="relay", rate=5),
            partial(BackendKilled, side="service"),
            partial(PostgresDown, manner="immediate"),
            partial(PostgresDown, manner="fast"),
            partial(CommitCut, side="service", share=0.1),
            partial(CommitCut, side="relay", share=0.3),
            partial(Reset, side="service", share=1.0),
            partial(Reset, side="relay", share=1.0),
            partial(Refused, side="service"),
            partial(Silent, side="relay"),
            Locked,
        ],
        rate=300,
        seconds=3600,
        beat=60,
        hold=(1.0, 4.0),
        through=["service", "relay"],
        # Those that a frozen service has caught are answered when it goes on.
        holds=Holds(slowest=None),
    ),
)
