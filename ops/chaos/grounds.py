"""What a scenario stands on: the drill's one cluster, or something of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.chaos.cluster import Cluster
from ops.chaos.scenario import Ground
from service.contract.postgres import Database
from tests.support.clones import Template


@dataclass
class Standing:
    """A cluster with a migrated template, and what belongs to the ground alone."""

    cluster: Cluster
    template: Template

    def entrance(self, database: Database) -> Database:
        """Return the database as service and relay are to reach it."""
        return database


Make = Callable[[Path], AbstractContextManager[Standing]]


@contextmanager
def ground(kind: Ground, shared: Standing, directory: Path) -> Iterator[Standing]:
    """Yield what to stand on."""
    if kind == "shared":
        yield shared
        return
    raise NotImplementedError(directory)
