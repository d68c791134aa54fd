"""What every command needs: the settings, the database at the right schema, one connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg

import migrations
from relay.settings import RelaySettings
from service.contract import process
from service.contract.fitness import schema_check
from service.contract.postgres import Database, database
from service.contract.requirements import migrating, refusals

T = TypeVar("T")


@contextmanager
def opened(settings: RelaySettings) -> Iterator[Database]:
    """Yield the configured database; the embedded one runs, at our schema, while inside."""
    with database(settings, process.say) as chosen:
        if chosen.kind == "embedded":
            with migrating(chosen, migrations.current):
                migrations.upgrade(chosen.connect)
        yield chosen


def with_connection(work: Callable[[psycopg.AsyncConnection], Awaitable[T]]) -> T:
    """Run `work` on one connection. Raises SchemaError when the schema is not ours."""
    with opened(RelaySettings.load()) as chosen:

        async def inside() -> T:
            async with await chosen.aconnect("everyclick-relay-cli") as connection:
                with refusals(connection):
                    await schema_check(connection)
                    return await work(connection)

        return process.run(inside())
