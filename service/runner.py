"""Runs the app on connections that have deadlines."""

from __future__ import annotations

from aiohttp import web

from service.lifespan import HEADERS, OBSERVE
from service.lines import Lines


class Runner(web.AppRunner):
    """Runs an app on Lines."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return Lines(
            made.request_handler,
            request_factory=made.request_factory,
            headers=self.app[HEADERS],
            observe=self.app[OBSERVE],
            **self._kwargs,
        )

    @property
    def lines(self) -> Lines:
        """The connections. Raises RuntimeError before setup."""
        lines = self.server
        if isinstance(lines, Lines):
            return lines
        raise RuntimeError("the runner has not been set up")
