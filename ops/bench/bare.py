"""The limit: aiohttp answering one constant 302 and doing nothing else, on the loop we use.

python -m ops.bench.bare

Served as `service.server` serves: one process, no access log, the same keep-alive and backlog.
"""

from __future__ import annotations

from aiohttp import hdrs, web

from service.contract.process import command_line, run, stopping
from service.server import KEEPALIVE
from service.settings import ServiceSettings

TARGET = "https://www.example.com/landing/page?campaign=autumn&link=1"


async def redirect(_: web.Request) -> web.Response:
    """Answer 302 to always the same place."""
    return web.Response(status=302, headers={hdrs.LOCATION: TARGET})


async def serve(settings: ServiceSettings) -> None:
    """Serve until told to stop."""
    app = web.Application()
    app.router.add_get("/{code}", redirect)
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, keepalive_timeout=KEEPALIVE, shutdown_timeout=1
    )
    async with stopping() as stop:
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
            await stop.wait()
        finally:
            await runner.cleanup()


def main() -> None:
    """Serve on HOST and PORT."""
    run(serve(ServiceSettings.load()))


if __name__ == "__main__":
    command_line(main)
