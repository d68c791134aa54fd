"""What every measurement is given, and how two things take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ops.bench.figure import Figure
from ops.bench.load import Load
from ops.bench.load_closed import closed_load
from ops.bench.processes import Process
from ops.bench.stage import HEADERS, LINKS, Stage

T = TypeVar("T")

CONNECTIONS = 64
"""Connections of the closed loop, each with one request under way."""

WARM_UP = 1.0
"""Seconds of load before the first round: connections open, statements prepared, code compiled."""

PATHS = [f"/b{number}" for number in range(1, LINKS + 1)]


@dataclass(frozen=True, slots=True)
class Bench:
    """The stage, and how much is to be measured on it."""

    stage: Stage
    rounds: int
    seconds: float
    events: int
    backlog: int
    long: bool
    say: Callable[[str], None]

    def turns(self, *contestants: Callable[[], T]) -> list[list[T]]:
        """Let all of them have their turn, round after round; return the results of each."""
        results: list[list[T]] = [[] for _ in contestants]
        for number in range(1, self.rounds + 1):
            self.say(f"  round {number} of {self.rounds}")
            turns = list(zip(results, contestants, strict=True))
            # Each goes first in turn: whoever comes later finds a warmer machine.
            for measured, contestant in turns if number % 2 else reversed(turns):
                measured.append(contestant())
        return results

    def redirects(
        self, server: Process, *, connections: int = CONNECTIONS, seconds: float | None = None
    ) -> Load:
        """Load a server that records clicks, closed loop, from empty tables. Raises ClicksLost."""
        self.stage.reset()
        load = self.constant(server, connections=connections, seconds=seconds)
        self.stage.verify(load.answered, connections)
        return load

    def constant(
        self, server: Process, *, connections: int = CONNECTIONS, seconds: float | None = None
    ) -> Load:
        """Load a server that records nothing, just so."""
        return closed_load(
            server.url,
            PATHS,
            connections=connections,
            seconds=self.seconds if seconds is None else seconds,
            headers=HEADERS,
        ).whole()

    def warm_up(self, *servers: Process) -> None:
        """Load each server for a moment, and forget what came of it."""
        self.stage.reset()
        for server in servers:
            self.constant(server, seconds=WARM_UP)


Measure = Callable[[Bench], Iterable[Figure]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One entry of the catalogue; a `long` one is left out unless asked for."""

    name: str
    what: str
    measure: Measure
    long: bool = False


def rates(loads: Sequence[Load]) -> list[float]:
    """Return the rates of some loads."""
    return [load.rate for load in loads]
