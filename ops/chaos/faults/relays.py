"""Relays and workers come and go, as in a deployment."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from ops.chaos.fault import Fault
from ops.chaos.kept import Kept
from ops.chaos.scene import Scene
from tests.support.processes import children


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
        if workers := children(self.scene.services[0].process.pid):
            with suppress(ProcessLookupError):
                os.kill(self.scene.chance.choice(workers), self.number)
