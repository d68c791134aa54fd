"""Doors that nobody minds."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession, web

from service.doors import BACKLOG, open_doors
from service.neighbours import Neighbours


async def test_who_waits_at_a_dead_one_is_taken_in() -> None:
    """Clients come in by either door of a port, though one of them has nobody of its own."""

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="served")

    (own,) = open_doors("127.0.0.1", 0, shared=True)
    port = own.getsockname()[1]
    (other,) = open_doors("127.0.0.1", port, shared=True)
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=1.0)
    await runner.setup()
    with own, other:
        try:
            await web.SockSite(runner, own, backlog=BACKLOG).start()
            neighbours = Neighbours(runner, [other])
            await neighbours.start()
            for _ in range(20):
                async with (
                    ClientSession() as session,
                    session.get(f"http://127.0.0.1:{port}/") as response,
                ):
                    assert "served" == await response.text()
            await neighbours.stop()
            assert not {each.name for each in runner.sites} & {"neighbours"}
        finally:
            await runner.cleanup()
    await asyncio.sleep(0)
