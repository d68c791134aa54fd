"""Several faults at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from ops.chaos.fault import Fault
from ops.chaos.scenario import Inflict
from ops.chaos.scene import Scene


class Together(Fault):
    """Injected in order, healed the other way round; counts as one."""

    def __init__(self, scene: Scene, *, parts: Sequence[Inflict]) -> None:
        super().__init__(scene)
        self.parts = [inflict(scene) for inflict in parts]
        self.name = ", ".join(part.name for part in self.parts)

    async def prepare(self) -> None:
        for part in self.parts:
            await part.prepare()

    async def inject(self) -> None:
        for part in self.parts:
            await part.inject()

    async def heal(self) -> None:
        async with AsyncExitStack() as stack:
            for part in self.parts:
                stack.push_async_callback(part.heal)
