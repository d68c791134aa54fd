"""A scenario: traffic, faults, and what must hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from ops.chaos.fault import Fault
    from ops.chaos.scene import Scene

Side = Literal["service", "relay"]

Span = tuple[float, float]
"""Least and most, in seconds; the seed decides."""

Ground = Literal[
    "shared", "own", "small disk", "small tablespace", "small log", "standby", "pgbouncer"
]
"""What the scenario stands on: the drill's one cluster, or something of its own."""


class Inflict(Protocol):
    """Makes a fault for a scene."""

    def __call__(self, scene: Scene) -> Fault: ...


@dataclass(frozen=True, slots=True)
class Holds:
    """What must hold beside the invariants; None: not judged here. Seconds and shares."""

    found_again: float | None = 2.0
    """Fault over to the first 302, at worst."""
    counted_again: float | None = 5.0
    """Fault over to the next click counted, at worst."""
    found: float | None = None
    """Share of the clicks that got a 302, at least."""
    settled: float | None = 0.99
    """Share of 302s from 3 s after the last fault on, at least."""
    slowest: float | None = 3.0
    """The slowest complete answer, at most."""
    traces: float = 0
    """Lines with a trace in the logs, at most: for what should be reported as a bug."""
    drained: float = 30.0
    """Traffic over to an empty outbox, at most."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One entry of the catalogue."""

    name: str
    what: str
    faults: Sequence[Inflict]
    rate: float = 700
    """Requests per second."""
    seconds: float = 22
    """How long faults are injected."""
    gap: Span = (0.5, 3.0)
    """Before each fault."""
    hold: Span = (0.0, 0.0)
    """From a fault's injection to its healing."""
    links: int = 20
    relays: int = 1
    through: Sequence[Side] = ()
    """Whose connections go through a proxy."""
    hosts: Literal[1, 2] = 1
    """Hosts that their DATABASE_URL names, each with a proxy of its own; the second refuses."""
    service: Mapping[str, str] = field(default_factory=dict)
    """The service's settings."""
    relay: Mapping[str, str] = field(default_factory=dict)
    """The relay's settings."""
    server: Mapping[str, str] = field(default_factory=dict)
    """Postgres' settings, on a ground of its own."""
    clock: bool = False
    """Whether the processes' clock can be made to jump."""
    piped_log: bool = False
    """Whether the processes log to a pipe whose reader can stall, and not to a file."""
    ground: Ground = "shared"
    beat: float | None = None
    """Of a soak: seconds from look to look, a fault in each; None: no soak, faults by `gap`."""
    holds: Holds = field(default_factory=Holds)
    smoke: float | None = None
    """Seconds in the smoke set; None: not in it."""
