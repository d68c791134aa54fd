"""Fixtures every test may use: a real Postgres, migrated once, cloned for each test."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from pydantic import SecretStr

from service.app import create_app
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.settings import ServiceSettings
from tests.support import clusters
from tests.support.clones import Template
from tests.support.declared import checking

KEY = b"a key for tests, thirty-two bytes long"


def pytest_configure() -> None:
    """Let processes start with SIGINT at its default, as from a terminal.

    Background jobs and CI ignore it, children inherit that, and Python then never raises
    KeyboardInterrupt: tests of Ctrl-C would wait for nothing.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Conninfo of a superuser on the Postgres under test; see tests/support/clusters.py."""
    with clusters.server(tmp_path_factory.mktemp("cluster")) as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[Template]:
    """A migrated database that others are cloned from."""
    with Template.migrated(server) as template:
        yield template


@pytest.fixture
def database(template: Template) -> Iterator[Database]:
    """A migrated database of the test's own."""
    with template.clone() as database:
        yield database


@pytest.fixture
async def db(database: Database) -> AsyncIterator[psycopg.AsyncConnection]:
    """An autocommit connection to the test's database."""
    async with await database.aconnect("everyclick-test") as connection:
        yield connection


@pytest.fixture
def observed() -> list[Observation]:
    """What the code under test has reported, in order."""
    return []


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    """The service's settings, all defaults but the key and DATA_DIR."""
    return ServiceSettings(secret_key=SecretStr(KEY.decode()), data_dir=tmp_path)


@pytest.fixture
def app(settings: ServiceSettings, database: Database, observed: list[Observation]) -> Application:
    """The service's application on the test's database."""
    return create_app(settings, database, KEY, observed.append)


@pytest.fixture
async def client(app: Application) -> AsyncIterator[TestClient[Request, Application]]:
    """An HTTP client of the application, cookies kept per client, redirects not followed.

    It fails at any answer that is not as the API's document tells.
    """
    server = TestServer(app)
    async with TestClient(server, trace_configs=[checking()]) as client:
        yield client
        # Connections go back to the pool before the pool closes.
        await asyncio.sleep(0)
