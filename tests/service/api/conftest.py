"""People who use the API, each with a token of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from service import connections
from service.accounts import Role
from service.lifespan import TOKENS
from service.sessions import begin
from service.store.users import User, user_create

PATIENCE = 60.0

Client = TestClient[Request, Application]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests take long: how busy the machine is decides no test."""
    monkeypatch.setattr(connections, "SECONDS", PATIENCE)


@dataclass(frozen=True, slots=True)
class Person:
    """A user and the header that says so."""

    user: User
    headers: dict[str, str]


async def person(
    db: psycopg.AsyncConnection, app: Application, email: str, role: Role = "user"
) -> Person:
    """Make an account without a usable password, and a token for it."""
    user = await user_create(db, email, "!", role)
    assert user is not None
    session = await begin(db, app[TOKENS], user.id, datetime.now(UTC))
    return Person(user, {"Authorization": f"Bearer {session.token}"})


@pytest.fixture
async def ada(db: psycopg.AsyncConnection, app: Application) -> Person:
    """A user."""
    return await person(db, app, "ada@example.com")


@pytest.fixture
async def bob(db: psycopg.AsyncConnection, app: Application) -> Person:
    """Another user."""
    return await person(db, app, "bob@example.com")


@pytest.fixture
async def admin(db: psycopg.AsyncConnection, app: Application) -> Person:
    """An admin."""
    return await person(db, app, "root@example.com", "admin")
