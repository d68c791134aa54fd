"""How Alembic connects: through the connection its caller hands over, one transaction for all."""

from __future__ import annotations

from typing import cast

import psycopg
from alembic import context
from sqlalchemy import create_engine, pool, text

from migrations import functions

# Two `migrate` runs at once must not interleave; the number is arbitrary but never reused.
LOCK = 7_204_316_011


def run() -> None:
    """Apply what was asked for, all in one transaction."""
    connect = context.config.attributes["connect"]
    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        # From here on only our own tables are locked: give up rather than queue redirects behind us.
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        context.configure(connection=connection, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()
            if context.config.attributes["functions"]:
                functions.load(cast("psycopg.Connection", connection.connection.driver_connection))


run()
