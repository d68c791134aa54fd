"""The schema's history: frozen raw SQL, applied in order. Imports nothing of ours.

A revision file is named `NNNN_pre_*` when it must run before new code is deployed and
`NNNN_post_*` when it must run after the last old process is gone. A released revision never changes.

Alembic and SQLAlchemy are loaded by whoever migrates and not by every start, of which they would be a
third: a service that was killed is back so much earlier.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg
    from alembic.config import Config

    Connect = Callable[[], psycopg.Connection]


def head() -> str:
    """Return the newest revision this code knows."""
    from alembic.script import ScriptDirectory

    revision = ScriptDirectory.from_config(_config(None)).get_current_head()
    if revision is None:
        raise RuntimeError("migrations/versions holds no revision")
    return revision


def current(connect: Connect) -> str | None:
    """Return the revision the database is at, None when it has never been migrated."""
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import create_engine, pool

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=pool.NullPool)
    with _unwrapped(), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(connect: Connect, revision: str = "head") -> None:
    """Bring the database up to `revision`, in one transaction: all of it or nothing.

    At "head" the functions are loaded too: only the newest tables are what they are written for.

    Raises psycopg.errors.LockNotAvailable when a table stays locked for more than 5 s, rather than
    queueing every redirect behind the wait.
    """
    from alembic import command

    with _unwrapped():
        command.upgrade(_config(connect, functions=revision == "head"), revision)


def downgrade(connect: Connect, revision: str) -> None:
    """Take the database back to `revision` ("base" for none)."""
    from alembic import command

    with _unwrapped():
        command.downgrade(_config(connect), revision)


@contextmanager
def _unwrapped() -> Iterator[None]:
    """Let psycopg's errors out as they are, without SQLAlchemy's wrapping."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, Exception):
            raise error.orig from None
        raise


def _config(connect: Connect | None, *, functions: bool = False) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connect"] = connect and partial(_transactional, connect)
    config.attributes["functions"] = functions
    return config


def _transactional(connect: Connect) -> psycopg.Connection:
    # SQLAlchemy begins no transaction of its own; on an autocommit connection there would be none.
    connection = connect()
    connection.autocommit = False
    return connection
