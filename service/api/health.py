"""GET /healthz and /readyz: whether the process lives, and whether it can do its work."""

from __future__ import annotations

from typing import Literal

from aiohttp import web
from pydantic import Field

from service.api.operation import Answer, Operation, respond
from service.contract.fitness import SCHEMA_HEAD
from service.errors import Unavailable
from service.lifespan import DRAINING, READINESS


class Health(Answer):
    """The process is alive."""

    status: Literal["ok"] = Field(default="ok", description="Always ok.", examples=["ok"])


class Readiness(Answer):
    """The service is ready."""

    status: Literal["ready"] = Field(
        default="ready", description="Always ready.", examples=["ready"]
    )
    database: Literal["ok"] = Field(
        default="ok", description="The database answers.", examples=["ok"]
    )
    schema_: str = Field(
        alias="schema", description="Revision of the database's schema.", examples=["0006"]
    )
    relay_last_seen_seconds: float | None = Field(
        description="Seconds since a relay was last seen; null: none within a day. Without a relay"
        " redirects work, and clicks wait.",
        examples=[1.5],
    )
    outbox_oldest_seconds: float | None = Field(
        description="Age of the oldest click that is not counted yet; null: none waits.",
        examples=[0.2],
    )


async def healthz(_: web.Request) -> web.Response:
    """Answer while the process lives, whatever the database does: no reason to restart it."""
    return respond(Health())


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 when the database answers and its schema is ours, else 503 with the reason.

    503 too while the process leaves: a load balancer that asks on a connection it has kept open
    learns that it should go elsewhere.
    """
    if request.app[DRAINING].begun:
        raise Unavailable("This process is leaving.")
    glance = await request.app[READINESS].probe()
    return respond(
        Readiness(
            schema=SCHEMA_HEAD,
            relay_last_seen_seconds=glance.relay_seen,
            outbox_oldest_seconds=glance.oldest,
        )
    )


OPERATIONS = (
    Operation(
        id="isAlive",
        method="GET",
        path="/healthz",
        handler=healthz,
        access="anyone",
        summary="Check that the process is running.",
        answers={200: Health},
    ),
    Operation(
        id="isReady",
        method="GET",
        path="/readyz",
        handler=readyz,
        access="anyone",
        summary="Check that the service is ready.",
        answers={200: Readiness},
    ),
)
