"""The wire below a connection, for when the server does not answer any more."""

from __future__ import annotations

import os
import socket

from psycopg import AsyncConnection


def cut(connection: AsyncConnection) -> None:
    """End what is under way at once, with psycopg.OperationalError; nothing if it is closed.

    Cancelling is no bound: psycopg then waits for the server to confirm, and a server that hangs
    does not.
    """
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
