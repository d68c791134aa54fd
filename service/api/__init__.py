"""The HTTP API: accounts, links, statistics, health. Its routes and its document are one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aiohttp import hdrs, web

from service.api import (
    accounts,
    health,
    invites,
    keys,
    links,
    password,
    reference,
    sessions,
    setup,
    stats,
    users,
)
from service.api.operation import Operation
from service.api.site import site
from service.lifespan import SETTINGS
from service.problems import expectation, guarded, other_methods


def operations() -> Iterator[Operation]:
    """Yield everything the API does, in the order of its document."""
    yield from setup.OPERATIONS
    yield from accounts.OPERATIONS
    yield from sessions.OPERATIONS
    yield from password.OPERATIONS
    yield from keys.OPERATIONS
    yield from users.OPERATIONS
    yield from invites.OPERATIONS
    yield from links.OPERATIONS
    yield from stats.OPERATIONS
    yield from health.OPERATIONS
    yield from reference.OPERATIONS


def add_routes(app: web.Application) -> None:
    """Add the API's routes and what describes them; HEAD comes with every GET."""
    table = list(operations())
    app[reference.SHELF] = reference.Shelf(table, site(app[SETTINGS]))
    for path, methods in _by_path(table).items():
        resource = app.router.add_resource(path)
        for method, operation in methods.items():
            resource.add_route(method, guarded(operation), expect_handler=expectation)
        # A path answers for all its methods: none falls through to one with a parameter in its place.
        others = other_methods(methods)
        resource.add_route(hdrs.METH_ANY, guarded(others), expect_handler=expectation)


def _by_path(table: Iterable[Operation]) -> dict[str, dict[str, Operation]]:
    found: dict[str, dict[str, Operation]] = {}
    for operation in table:
        methods = found.setdefault(operation.path, {})
        methods[operation.method] = operation
        if operation.method == hdrs.METH_GET:
            methods[hdrs.METH_HEAD] = operation
    return found
