"""The HTTP API: accounts, links, statistics, health. Its routes and its document are one table."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from service.api import accounts, health, keys, links, stats
from service.api.operation import Operation
from service.problems import guarded


def operations() -> Iterator[Operation]:
    """Yield everything the API does, in the order of its document."""
    yield from accounts.OPERATIONS
    yield from keys.OPERATIONS
    yield from links.OPERATIONS
    yield from stats.OPERATIONS
    yield from health.OPERATIONS


def add_routes(app: web.Application) -> None:
    """Add the API's routes; HEAD comes with every GET."""
    for operation in operations():
        if operation.method == "GET":
            app.router.add_get(operation.path, guarded(operation))
        else:
            app.router.add_route(operation.method, operation.path, guarded(operation))
