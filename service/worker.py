"""What a worker has from its supervisor: its door, its neighbours' doors, and whom to tell."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from service.running import READY

WORKER = "EVERYCLICK_WORKER"
"""Set in a worker's environment: its number, from 0."""

DOORS = "EVERYCLICK_DOORS"
"""The descriptors of all workers' doors: those of one with commas, one after another with colons."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One of several processes on one port."""

    doors: Sequence[socket.socket]
    neighbours: Sequence[socket.socket]
    """The doors of the others, for when one of them is dead."""
    ready: int | None
    """Somebody waits for word, on this descriptor, that we serve: we are to succeed another."""

    def serves(self) -> None:
        """Tell whoever waits for it that connections are accepted."""
        if self.ready is not None:
            os.write(self.ready, b".")
            os.close(self.ready)


def environment(number: int, doors: Sequence[Sequence[socket.socket]]) -> dict[str, str]:
    """Return what the worker of this number finds in its environment."""
    told = ":".join(",".join(str(door.fileno()) for door in each) for each in doors)
    return {WORKER: str(number), DOORS: told}


def this_worker() -> Worker | None:
    """Return what this process has inherited; None when it is no worker. To be called once."""
    if WORKER not in os.environ:
        return None
    doors = [
        [_inherited(int(each)) for each in one.split(",")] for one in os.environ[DOORS].split(":")
    ]
    own = doors.pop(int(os.environ[WORKER]))
    ready = os.environ.get(READY)
    return Worker(own, [door for each in doors for door in each], int(ready) if ready else None)


def _inherited(descriptor: int) -> socket.socket:
    # It must not go on to children of ours: a server that outlives us would keep the port.
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)
