"""Whether a process holds on to more than it had: descriptors, as /proc tells."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ops.chaos.scene import Scene
from tests.support.processes import tree


def descriptors(scene: Scene) -> dict[int, int]:
    """Return how many descriptors each process of the scene has open, workers included."""
    found: dict[int, int] = {}
    for kept in (*scene.services, *scene.relays):
        for pid in (kept.process.pid, *tree(kept.process.pid)):
            with suppress(OSError):
                found[pid] = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return found


def most_growth(before: Mapping[int, int], after: Mapping[int, int]) -> int:
    """Return by how many a process has grown, at most; those that began meanwhile tell nothing."""
    return max((after[pid] - before[pid] for pid in before if pid in after), default=0)
