"""The wire below a connection, for when the server does not answer any more."""

from __future__ import annotations

import socket

from psycopg import AsyncConnection


def cut(connection: AsyncConnection) -> None:
    """End what is under way at once, with psycopg.OperationalError. Never raises.

    Cancelling is no bound: psycopg then waits for the server to confirm, and a server that hangs
    does not.
    """
    if connection.closed:
        return
    # Not on a duplicate: a process that is out of descriptors must still be able to let go.
    wire = socket.socket(fileno=connection.fileno())
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was quicker
    finally:
        wire.detach()
