"""Relays and workers come and go, as in a deployment."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from time import monotonic

from ops.chaos.errors import ChaosError
from ops.chaos.fault import Fault
from ops.chaos.kept import Kept
from ops.chaos.scene import Scene
from tests.support.processes import children

PATIENCE = 15.0
"""Seconds until the workers' supervisor must have all of them running; it pauses up to 5 s."""

SERVES_AFTER = 3.0
"""Seconds after which a worker that was started serves, on a busy machine."""


class Resting(Fault):
    """A relay is stopped cleanly and started again when healed."""

    name = "relay stopped and started"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._resting: Kept | None = None

    async def inject(self) -> None:
        self._resting = self.scene.chance.choice(self.scene.relays)
        await self._resting.rest()

    async def heal(self) -> None:
        if self._resting is not None:
            self._resting.resume()


class WorkerSignalled(Fault):
    """One of the service's workers gets a signal; the service's own supervisor starts another."""

    def __init__(self, scene: Scene, *, number: signal.Signals) -> None:
        super().__init__(scene)
        self.number = number
        self.name = f"worker {'killed' if number is signal.SIGKILL else 'ended'}"

    async def inject(self) -> None:
        workers = await _all_workers(self.scene)
        with suppress(ProcessLookupError):
            os.kill(self.scene.chance.choice(workers), self.number)


class Reloaded(Fault):
    """The supervisor gets SIGHUP and replaces all workers, one after the other."""

    name = "rolling restart of all workers"

    async def inject(self) -> None:
        await _all_workers(self.scene)
        self.scene.services[0].signal(signal.SIGHUP)


async def _all_workers(scene: Scene) -> list[int]:
    """Wait for every worker: the last one of them is another scenario's victim."""
    wanted = int(scene.scenario.service["WEB_CONCURRENCY"])
    deadline = monotonic() + PATIENCE
    while len(workers := children(scene.services[0].process.pid)) != wanted:
        if monotonic() > deadline:
            raise ChaosError(
                f"Instead of {wanted} workers {len(workers)} run after {PATIENCE:g} s."
            )
        await asyncio.sleep(0.05)
    # A process that was just started does not serve yet.
    await asyncio.sleep(SERVES_AFTER)
    return workers
