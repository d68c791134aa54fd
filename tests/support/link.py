"""A client's connection through the proxy, and what can be done to its bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field

from tests.support.commits import Commits


@dataclass(slots=True)
class Toxics:
    """What is done to all bytes that pass, in either direction."""

    latency: float = 0.0
    """Seconds that each piece is late."""
    jitter: float = 0.0
    """Seconds by which that varies, more or less."""
    slice: int = 65536
    """Bytes forwarded at a time."""
    bandwidth: float | None = None
    """Bytes per second and direction."""


@dataclass(eq=False)
class Link:
    """One client's connection and the one to the server that belongs to it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    commits: Commits = field(default_factory=Commits)
    stranded: bool = False

    def reset(self) -> None:
        """End both at once; the client sees a reset."""
        for writer in (self.client, self.server):
            wire = writer.get_extra_info("socket")
            if wire is not None and wire.family != socket.AF_UNIX:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
