"""GET /healthz and /readyz: whether the process lives, and whether it can do its work."""

from __future__ import annotations

from aiohttp import web

from service.contract.postgres import SCHEMA_HEAD
from service.lifespan import READINESS


async def healthz(_: web.Request) -> web.Response:
    """Answer while the process lives, whatever the database does: no reason to restart it."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 when the database answers and its schema is ours, else 503 with the reason."""
    await request.app[READINESS].probe()
    return web.json_response({"status": "ready", "database": "ok", "schema": SCHEMA_HEAD})
