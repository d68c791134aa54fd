"""Whether the service can do its work now: what `/readyz` asks."""

from __future__ import annotations

import asyncio

import psycopg

from service.contract import statements
from service.contract.fitness import SchemaError, schema_serves
from service.contract.pipeline import Glance, pipeline_glance
from service.contract.postgres import Database
from service.contract.requirements import (
    RequirementError,
    Statements,
    catalog_state,
    refusals,
    requirements_check,
)
from service.errors import Unavailable

NEEDED: Statements = {**statements.load("service.contract"), **statements.load("service")}
"""What the service runs; its role must be able to."""

PATIENCE = 2.0
"""Seconds a probe may take before the database counts as unreachable."""


class Readiness:
    """Asks the database afresh each time: a cached yes is worth nothing to a load balancer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sufficient = ""
        """State of the catalog in which every statement could run."""

    async def probe(self) -> Glance:
        """Return how the pipeline stands when the database answers and has all that the code needs.

        Raises Unavailable. Without a relay the service is ready all the same: redirects work.
        """
        try:
            async with (
                asyncio.timeout(PATIENCE),
                await self._database.aconnect(
                    "everyclick-readiness", patience=PATIENCE
                ) as connection,
            ):
                with refusals(connection):
                    await schema_serves(connection)
                state = await catalog_state(connection)
                if state != self._sufficient:
                    await requirements_check(connection, NEEDED)
                    self._sufficient = state
                try:
                    return await pipeline_glance(connection)
                except psycopg.errors.InsufficientPrivilege:
                    return Glance()
        except (SchemaError, RequirementError) as error:
            raise Unavailable(str(error)) from error
        except (psycopg.Error, TimeoutError) as error:
            raise Unavailable("The database does not answer.") from error
