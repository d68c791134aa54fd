"""A backlog that has grown while no relay was there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from time import monotonic

from ops.chaos.errors import ChaosError
from ops.chaos.faults.events import Seeded
from ops.chaos.result import Target
from ops.chaos.scene import Scene

CHUNK = 50_000

LEFT = "SELECT count(*) FROM (SELECT FROM outbox LIMIT %(most)s) AS waiting"

MOST = 10_000
"""Events in the outbox from which the backlog is gone; the traffic's own come and go."""

PATIENCE = 600.0
"""Seconds after which it is not waited for any more."""

LARGE = 200.0
"""MiB a relay may have, whatever waits."""

FAST = 5_000.0
"""Events a second it must move, redirects beside it."""


class Backlog(Seeded):
    """The relay is stopped, so many events pile up, it is started and must get through them."""

    name = "a backlog that has piled up"

    def __init__(self, scene: Scene, *, number: int) -> None:
        super().__init__(scene, number=number)
        self._rate = 0.0
        self._most = 0.0

    @property
    def struck(self) -> int:
        return self.times

    async def inject(self) -> None:
        for relay in self.scene.relays:
            await relay.rest()
        for _ in range(0, self.number, CHUNK):
            await self.seed(CHUNK, "counted", "backlog")

    async def heal(self) -> None:
        for relay in self.scene.relays:
            relay.resume()
        began = monotonic()
        while (await self.scene.execute(LEFT, {"most": MOST}))[0][0] == MOST:
            if monotonic() - began > PATIENCE:
                raise ChaosError(f"A backlog of {self.number:,} is there after {PATIENCE:g} s.")
            await asyncio.sleep(0.2)
        self._rate = self.number / (monotonic() - began)
        self._most = max(_peak(relay.process.pid) for relay in self.scene.relays)

    def targets(self) -> list[Target]:
        if not self.times:
            return []
        return [
            Target("events a second of a backlog", self._rate, FAST, least=True),
            Target("MiB of a relay with a backlog, at most", self._most, LARGE),
        ]


def _peak(pid: int) -> float:
    """Return the most MiB that a process has had; 0 where there is no /proc to tell."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
