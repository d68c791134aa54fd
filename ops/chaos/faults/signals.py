"""Processes are killed, ended and frozen."""

from __future__ import annotations

import signal

from ops.chaos.fault import Fault
from ops.chaos.kept import Kept
from ops.chaos.scenario import Side
from ops.chaos.scene import Scene


class _Signal(Fault):
    """Sends a signal to one process of a side."""

    number: signal.Signals
    verb: str

    def __init__(self, scene: Scene, *, side: Side) -> None:
        super().__init__(scene)
        self.side = side
        self.name = f"{side} {self.verb}"

    def choose(self) -> Kept:
        """One of those that run, else any."""
        kept = self.scene.kept(self.side)
        return self.scene.chance.choice([each for each in kept if each.running] or kept)

    async def inject(self) -> None:
        self.choose().signal(self.number)


class Killed(_Signal):
    """Kill -9; its keeper starts it again."""

    number, verb = signal.SIGKILL, "killed"


class Ended(_Signal):
    """SIGTERM, which finishes what is in hand; its keeper starts it again."""

    number, verb = signal.SIGTERM, "ended"


class Frozen(_Signal):
    """SIGSTOP until healed."""

    number, verb = signal.SIGSTOP, "frozen"

    async def heal(self) -> None:
        for kept in self.scene.kept(self.side):
            kept.signal(signal.SIGCONT)
