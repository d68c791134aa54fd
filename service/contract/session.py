"""What a connection of ours tells the server about itself, once, for as long as it lasts."""

from __future__ import annotations

import json
from collections.abc import Mapping

from psycopg import AsyncConnection

from service.contract import statements
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
}
"""For every connection that stays open."""


async def session_configure(connection: AsyncConnection, session: Session) -> None:
    """Apply the settings to the connection.

    Not behind a pooler: there they would be those of a server connection, and so somebody else's.
    """
    if session and not behind_pooler(connection):
        settings = json.dumps(dict(session))
        await connection.execute(_SQL["session_configure"], {"settings": settings})


async def session_unhurried(connection: AsyncConnection) -> None:
    """Lift the session's statement_timeout until this transaction ends."""
    await connection.execute(_SQL["session_unhurried"])
