"""What every command needs: the database, opened and at the right schema, and one connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg

import migrations
from service.contract.fitness import schema_check
from service.contract.postgres import Database, database
from service.contract.process import run, say
from service.contract.requirements import migrating, refusals
from service.settings import ServiceSettings, secret_key

T = TypeVar("T")


def migrated(chosen: Database) -> None:
    """Bring the embedded database to our schema; one of the operator's own is left to `migrate`."""
    if chosen.kind == "embedded":
        with migrating(chosen, migrations.current):
            migrations.upgrade(chosen.connect)


def with_connection(work: Callable[[psycopg.AsyncConnection], Awaitable[T]]) -> T:
    """Run `work` on one connection. Raises SchemaError when the schema is not ours."""
    with database(ServiceSettings.load(), say) as chosen:
        return _run(chosen, work)


def with_key(work: Callable[[psycopg.AsyncConnection, bytes], Awaitable[T]]) -> T:
    """Run `work` on one connection with the key that signs tokens. Raises ConfigurationError."""
    settings = ServiceSettings.load()
    with database(settings, say) as chosen:
        key = secret_key(settings, embedded=chosen.kind == "embedded")
        return _run(chosen, lambda connection: work(connection, key))


def _run(chosen: Database, work: Callable[[psycopg.AsyncConnection], Awaitable[T]]) -> T:
    migrated(chosen)

    async def inside() -> T:
        async with await chosen.aconnect("everyclick-cli") as connection:
            with refusals(connection):
                await schema_check(connection)
                return await work(connection)

    return run(inside())
