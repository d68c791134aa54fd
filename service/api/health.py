"""GET /healthz and /readyz: whether the process lives, and whether it can do its work."""

from __future__ import annotations

from aiohttp import web

from service.contract.postgres import SCHEMA_HEAD
from service.errors import Unavailable
from service.lifespan import DRAINING, READINESS


async def healthz(_: web.Request) -> web.Response:
    """Answer while the process lives, whatever the database does: no reason to restart it."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 when the database answers and its schema is ours, else 503 with the reason.

    503 too while the process leaves: a load balancer that asks on a connection it has kept open
    learns that it should go elsewhere.
    """
    if request.app[DRAINING].begun:
        raise Unavailable("This process is leaving.")
    await request.app[READINESS].probe()
    return web.json_response({"status": "ready", "database": "ok", "schema": SCHEMA_HEAD})
