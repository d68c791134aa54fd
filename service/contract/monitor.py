"""The monitoring port: `/metrics` for Prometheus, `/healthz` and `/readyz` for supervisors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from service.contract.ports import port_fault
from service.contract.settings import ConfigurationError


@dataclass(frozen=True, slots=True)
class Health:
    """How a process is. `waiting`: alive, its database is not there; `stalled`: a restart may help."""

    status: Literal["ok", "waiting", "stalled"]
    detail: str = ""


@asynccontextmanager
async def monitor(
    host: str,
    port: int,
    registry: CollectorRegistry,
    health: Callable[[], Health] = lambda: Health("ok"),
    *,
    setting: str = "METRICS_PORT",
) -> AsyncIterator[str]:
    """Serve the registry on host:port while inside; yields the URL of the metrics.

    /healthz is 503 while `health` says that the process is stalled, /readyz unless it is ok.
    Raises ConfigurationError naming the setting of the port when it cannot be had.
    """

    async def healthz(_: web.Request) -> web.Response:
        return _told(health(), failing=("stalled",))

    async def readyz(_: web.Request) -> web.Response:
        return _told(health(), failing=("stalled", "waiting"))

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigurationError([port_fault(setting, host, port, error)]) from error
        bound = runner.addresses[0][1]
        yield f"http://{host}:{bound}/metrics"
    finally:
        await runner.cleanup()


def _told(health: Health, *, failing: Sequence[str]) -> web.Response:
    told = {name: value for name, value in asdict(health).items() if value}
    return web.json_response(told, status=503 if health.status in failing else 200)
