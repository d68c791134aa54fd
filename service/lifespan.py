"""What the app holds while it runs: each key stands above the generator that fills it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import cast

from aiohttp import web
from psycopg_pool import AsyncConnectionPool

from service.contract.bounded import BoundedConnection
from service.contract.observations import Observer
from service.contract.postgres import Database
from service.contract.session import LIVELY, Session
from service.destinations import Destinations
from service.draining import Draining
from service.passwords import Passwords
from service.readiness import Readiness
from service.recorder import Recorder
from service.settings import ServiceSettings
from service.tokens import Tokens

SETTINGS = web.AppKey("settings", ServiceSettings)
DATABASE = web.AppKey("database", Database)
OBSERVE: web.AppKey[Observer] = web.AppKey("observe")
DRAINING = web.AppKey("draining", Draining)
DESTINATIONS = web.AppKey("destinations", Destinations)
HEADERS: web.AppKey[Mapping[str, str]] = web.AppKey("headers")
TOKENS = web.AppKey("tokens", Tokens)

POOL: web.AppKey[AsyncConnectionPool[BoundedConnection]] = web.AppKey("pool")

POOL_SIZE = 4
"""Connections per worker for everything but redirects, which have lanes of their own."""

SESSION: Session = {**LIVELY, "statement_timeout": "4s"}
"""A statement that outlives its request ends on the server too."""

WAITING = 256
"""Requests that may wait for a connection; past it they are shed with 503, so memory is bounded."""


async def pool(app: web.Application) -> AsyncIterator[None]:
    """Open the API's pool; an absent database does not keep the service from starting."""
    opened = app[DATABASE].pool("everyclick-api", size=POOL_SIZE, waiting=WAITING, session=SESSION)
    await opened.open(wait=False)
    app[POOL] = cast("AsyncConnectionPool[BoundedConnection]", opened)
    yield
    await opened.close(timeout=1.0)


RECORDER: web.AppKey[Recorder] = web.AppKey("recorder")


async def recorder(app: web.Application) -> AsyncIterator[None]:
    """Let the recorder, which opens its connections by itself, finish and close them."""
    yield
    await app[RECORDER].close()


PASSWORDS: web.AppKey[Passwords] = web.AppKey("passwords")


async def passwords(app: web.Application) -> AsyncIterator[None]:
    """Hold what hashes passwords, off the event loop."""
    held = Passwords()
    app[PASSWORDS] = held
    yield
    held.close()


READINESS: web.AppKey[Readiness] = web.AppKey("readiness")


async def readiness(app: web.Application) -> AsyncIterator[None]:
    """Hold what answers whether the service can do its work."""
    app[READINESS] = Readiness(app[DATABASE])
    yield
