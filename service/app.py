"""The web application: what it holds, in the order it is opened, and which paths it answers."""

from __future__ import annotations

from functools import partial

from aiohttp import hdrs, web

from service import api, headers, lifespan, pages
from service.contract.gate import vet
from service.contract.observations import Observer
from service.contract.postgres import Database
from service.draining import Draining
from service.peers import PROXIES
from service.problems import ANYTHING, expectation, guarded, other_methods, unmatched
from service.recorder import Limits, Recorder
from service.redirects import METHODS, REDIRECTS, ROUTE, SLASHED, Redirects, other_method
from service.settings import ServiceSettings
from service.throttle import THROTTLE, Throttle
from service.tokens import Tokens


def create_app(
    settings: ServiceSettings,
    database: Database,
    key: bytes,
    observe: Observer,
    limits: Limits | None = None,
) -> web.Application:
    """Return the app; nothing is opened until it starts up."""
    app = web.Application()
    app[lifespan.SETTINGS] = settings
    app[lifespan.DATABASE] = database
    app[lifespan.OBSERVE] = observe
    app[lifespan.DRAINING] = draining = Draining()
    app[lifespan.HEADERS] = headers.every(settings)
    app[lifespan.TOKENS] = Tokens(key, *settings.old_keys)
    app[THROTTLE] = Throttle(settings, key)
    app[PROXIES] = settings.proxies
    app[lifespan.DESTINATIONS] = settings.destinations
    app[lifespan.RECORDER] = recorder = Recorder(
        database, observe, partial(vet, settings=settings), limits
    )
    app.cleanup_ctx.extend(
        [lifespan.pool, lifespan.recorder, lifespan.passwords, lifespan.readiness]
    )
    api.add_routes(app)
    for path, make in pages.FIXED.items():
        app.router.add_get(path, guarded(pages.handler(make)), expect_handler=expectation)
        others = guarded(other_methods(METHODS))
        app.router.add_route(hdrs.METH_ANY, path, others, expect_handler=expectation)
    # After them, so that a code can never hide a path of our own.
    app[REDIRECTS] = redirects = Redirects(recorder, observe, draining, settings)
    for path in (ROUTE, SLASHED):
        code = app.router.add_resource(path)
        for method in METHODS:
            code.add_route(method, redirects.redirect, expect_handler=expectation)
        code.add_route(hdrs.METH_ANY, guarded(other_method), expect_handler=expectation)
    app.router.add_route("*", ANYTHING, guarded(unmatched), expect_handler=expectation)
    return app
