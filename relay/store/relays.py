"""The relays that live, as each reports it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from psycopg import AsyncConnection

from service.contract import statements
from service.contract.fitness import SCHEMA_HEAD

_SQL = statements.load("relay")


@dataclass(frozen=True, slots=True)
class Relay:
    """This process among the relays."""

    id: UUID = field(default_factory=uuid4)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)


async def relay_beat(
    connection: AsyncConnection, relay: Relay, idle: float, *, stopped: bool = False
) -> None:
    """Report that the relay lives, and made progress `idle` seconds ago; or that it was stopped."""
    parameters = {
        "id": relay.id,
        "host": relay.host,
        "pid": relay.pid,
        "version": SCHEMA_HEAD,
        "idle": idle,
        "stopped": stopped,
    }
    await connection.execute(_SQL["relay_beat"], parameters)
