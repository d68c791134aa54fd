"""The monitoring port: `/metrics` for Prometheus and `/healthz` for whoever keeps us alive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler


@asynccontextmanager
async def monitor(host: str, port: int, registry: CollectorRegistry) -> AsyncIterator[str]:
    """Serve the registry on host:port while inside; yields the URL of the metrics.

    Raises OSError when the port cannot be had.
    """
    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    app.router.add_get("/healthz", _healthz)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        yield f"http://{host}:{bound}/metrics"
    finally:
        await runner.cleanup()


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})
