"""The HTTP API: accounts, links, statistics, health. Its routes and its document are one table."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from service.api import accounts, health, keys, links, password, reference, sessions, setup, stats
from service.api.operation import Operation
from service.api.site import site
from service.lifespan import SETTINGS
from service.problems import expectation, guarded


def operations() -> Iterator[Operation]:
    """Yield everything the API does, in the order of its document."""
    yield from setup.OPERATIONS
    yield from accounts.OPERATIONS
    yield from sessions.OPERATIONS
    yield from password.OPERATIONS
    yield from keys.OPERATIONS
    yield from links.OPERATIONS
    yield from stats.OPERATIONS
    yield from health.OPERATIONS
    yield from reference.OPERATIONS


def add_routes(app: web.Application) -> None:
    """Add the API's routes and what describes them; HEAD comes with every GET."""
    table = list(operations())
    app[reference.SHELF] = reference.Shelf(table, site(app[SETTINGS]))
    for operation in table:
        if operation.method == "GET":
            app.router.add_get(operation.path, guarded(operation), expect_handler=expectation)
        else:
            app.router.add_route(
                operation.method,
                operation.path,
                guarded(operation),
                expect_handler=expectation,
            )
