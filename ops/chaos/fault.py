"""A fault: something that is broken, and mended again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ops.chaos.result import Target
from ops.chaos.scene import Scene


class Fault(ABC):
    """One kind of fault on one scene; `name` is what the report calls it."""

    name: str

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.times = 0
        """How often it was injected; the driver counts, but for faults that strike by themselves."""

    @property
    def struck(self) -> int:
        """How many faults the scene has suffered from it."""
        return self.times

    async def prepare(self) -> None:
        """Do what must be done before the first request."""
        return

    def targets(self) -> Sequence[Target]:
        """Return what it has measured itself, with what should hold."""
        return ()

    @abstractmethod
    async def inject(self) -> None:
        """Break it."""

    async def heal(self) -> None:
        """Mend it; what mends itself needs nothing. Returns when the fault is over."""
        return
