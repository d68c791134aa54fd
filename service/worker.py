"""What a worker has from its supervisor: the listeners, and a way to say that it serves."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.child_process import READY

LISTENERS = "EVERYCLICK_LISTENERS"
"""Set in a worker's environment: the descriptors of the listeners, separated by commas."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes that accept from the same listeners."""

    listeners: Sequence[socket.socket]
    ready: int | None
    """The descriptor to write to once this worker serves; None when it replaces no other one."""

    def serves(self) -> None:
        """Report that connections are accepted."""
        if self.ready is not None:
            os.write(self.ready, b".")
            os.close(self.ready)


def environment(listeners: Sequence[socket.socket]) -> Mapping[str, str]:
    """Return the variables by which a worker finds the listeners."""
    return {LISTENERS: ",".join(str(listener.fileno()) for listener in listeners)}


def this_worker() -> Worker | None:
    """Return what this process has inherited; None when it is no worker. To be called once."""
    if LISTENERS not in os.environ:
        return None
    listeners = [_inherited(int(each)) for each in os.environ[LISTENERS].split(",")]
    ready = os.environ.get(READY)
    return Worker(listeners, int(ready) if ready else None)


def _inherited(descriptor: int) -> socket.socket:
    # Not to be inherited by our own children: one that outlives us would keep the port.
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)
