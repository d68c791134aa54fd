"""The web application: what it holds, in the order it is opened, and which paths it answers."""

from __future__ import annotations

from aiohttp import web

from service import api, lifespan
from service.contract.observations import Observer
from service.contract.postgres import Database
from service.problems import problems
from service.redirects import redirect
from service.settings import ServiceSettings
from service.tokens import Tokens


def create_app(
    settings: ServiceSettings, database: Database, key: bytes, observe: Observer
) -> web.Application:
    """Return the app; nothing is opened until it starts up."""
    app = web.Application(middlewares=[problems])
    app[lifespan.SETTINGS] = settings
    app[lifespan.DATABASE] = database
    app[lifespan.OBSERVE] = observe
    app[lifespan.TOKENS] = Tokens(key)
    app.cleanup_ctx.extend(
        [lifespan.pool, lifespan.recorder, lifespan.passwords, lifespan.readiness]
    )
    api.add_routes(app)
    # Last, so that a code can never hide a path of our own.
    app.router.add_get("/{code}", redirect)
    return app
