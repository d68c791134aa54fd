"""What a connection of ours tells the server about itself, once, for as long as it lasts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from psycopg import AsyncConnection

from service.contract import statements
from service.contract.bounded import answering_within
from service.contract.pooler import behind_pooler

_SQL = statements.load("service.contract")

Session = Mapping[str, str]
"""Settings of Postgres by name."""

LIVELY: Session = {
    # A client that froze in a transaction lets go of its rows, and so does one whose machine went
    # away without a word: half a minute instead of Postgres's two hours.
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # Compiling a statement takes 0.1 to 1 s, none of ours that repeats runs as long. A session's
    # plans cost what makes the planner compile as soon as enable_seqscan is off (before Postgres 18).
    "jit": "off",
}
"""For every connection that stays open."""


DURABLE: Session = {
    # On this disk and on the synchronous standbys' disks, whatever the server's settings become.
    "synchronous_commit": "on",
    # A cancelled wait for a standby is a warning.
    "client_min_messages": "warning",
}
"""For every connection, unless the loss of commits is accepted."""


async def session_configure(connection: AsyncConnection, session: Session) -> None:
    """Apply the settings to the connection; a synchronous_commit of remote_apply stays.

    Not behind a pooler: there they would be those of a server connection, and so somebody else's.
    """
    if session and not behind_pooler(connection):
        settings = json.dumps(dict(session))
        await connection.execute(_SQL["session_configure"], {"settings": settings})


@asynccontextmanager
async def unhurried(connection: AsyncConnection) -> AsyncIterator[None]:
    """Be in a transaction that may take as long as it takes, whatever the session's bounds are."""
    with answering_within(connection, None):
        async with connection.transaction():
            await session_unhurried(connection)
            yield


async def session_attended(connection: AsyncConnection) -> None:
    """Let this transaction end soon when its client is gone: it holds what others wait for."""
    await connection.execute(_SQL["session_attended"])


async def session_unhurried(connection: AsyncConnection) -> None:
    """Lift the session's statement_timeout until this transaction ends."""
    await connection.execute(_SQL["session_unhurried"])


async def session_alive(connection: AsyncConnection) -> None:
    """Return when the server answers. Raises psycopg.OperationalError when it does not."""
    await connection.execute(_SQL["session_alive"])
