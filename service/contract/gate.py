"""The gate before any work: the database answers, has our schema, and keeps what it commits."""

from __future__ import annotations

import asyncio

import psycopg

from service.contract.fitness import (
    DurabilityError,
    durability_check,
    encoding_check,
    schema_check,
    schema_serves,
)
from service.contract.observations import (
    DatabaseReady,
    DatabaseUnavailable,
    DataLossAccepted,
    Observer,
)
from service.contract.postgres import Database
from service.contract.settings import Settings

PAUSE = 0.5
"""Seconds between two tries while the database does not answer."""

ANSWER_SECONDS = 5.0
"""Seconds an answer may take before the database counts as one that does not answer."""


async def gate(
    database: Database, settings: Settings, observe: Observer, *, again: bool = False
) -> None:
    """Return once the database is fit for work; wait as long as it does not answer.

    A process that has passed before passes `again` when the schema has become newer meanwhile.
    Raises SchemaError, EncodingError and DurabilityError, which waiting would not mend.
    """
    reported = False
    while True:
        try:
            await pass_once(database, settings, observe, again=again)
        except psycopg.OperationalError as error:
            if not reported:
                observe(DatabaseUnavailable(doing="start", error=str(error).strip()))
            reported = True
            await asyncio.sleep(PAUSE)
        else:
            observe(DatabaseReady(database=database.address))
            return


async def vet(connection: psycopg.AsyncConnection, settings: Settings) -> None:
    """Return when a commit on this connection is one to acknowledge.

    Raises SchemaError, and DurabilityError unless its loss is accepted.
    """
    await schema_serves(connection)
    if not settings.accept_data_loss:
        await durability_check(connection)


async def pass_once(
    database: Database, settings: Settings, observe: Observer, *, again: bool = False
) -> None:
    """Try the gate once. Raises psycopg.OperationalError when the database does not answer."""
    async with await database.aconnect("everyclick-gate", patience=ANSWER_SECONDS) as connection:
        await encoding_check(connection)
        await (schema_serves if again else schema_check)(connection)
        try:
            # Sessions leave synchronous_commit as it is where its loss is accepted.
            await durability_check(connection, as_is=settings.accept_data_loss)
        except DurabilityError as error:
            if not settings.accept_data_loss:
                raise
            observe(DataLossAccepted(message=" ".join(error.faults)))
