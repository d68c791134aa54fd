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
    DatabaseRefused,
    DatabaseUnavailable,
    DataLossAccepted,
    Observer,
)
from service.contract.postgres import Database
from service.contract.requirements import (
    RequirementError,
    Statements,
    refusals,
    requirements_check,
)
from service.contract.settings import Settings

NOTHING: Statements = {}

PAUSE = 0.5
"""Seconds between two tries while the database does not answer."""

ANSWER_SECONDS = 5.0
"""Seconds an answer may take before the database counts as one that does not answer."""


async def gate(
    database: Database,
    settings: Settings,
    observe: Observer,
    *,
    needed: Statements = NOTHING,
    again: bool = False,
) -> None:
    """Return once the database is fit for work and could run every statement in `needed`.

    Waits as long as the database does not answer. A process that has passed before passes `again`
    when the schema has become newer meanwhile; it also waits for what was taken away to come back.
    Raises SchemaError, EncodingError, DurabilityError and RequirementError: waiting fixes none.
    """
    reported = False
    while True:
        try:
            await pass_once(database, settings, observe, needed=needed, again=again)
        except RequirementError as error:
            if not again:
                raise
            if not reported:
                observe(DatabaseRefused(doing="start", error=str(error)))
            reported = True
            await asyncio.sleep(PAUSE)
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
    database: Database,
    settings: Settings,
    observe: Observer,
    *,
    needed: Statements = NOTHING,
    again: bool = False,
) -> None:
    """Try the gate once. Raises psycopg.OperationalError when the database does not answer."""
    async with await database.aconnect("everyclick-gate", patience=ANSWER_SECONDS) as connection:
        await encoding_check(connection)
        with refusals(connection):
            await (schema_serves if again else schema_check)(connection)
        await requirements_check(connection, needed)
        try:
            # Sessions leave synchronous_commit as it is where its loss is accepted.
            await durability_check(connection, as_is=settings.accept_data_loss)
        except DurabilityError as error:
            if not settings.accept_data_loss:
                raise
            observe(DataLossAccepted(message=" ".join(error.faults)))
