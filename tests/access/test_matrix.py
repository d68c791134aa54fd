"""Who may do what: everybody on every route, by the table that the routes are made of.

A route added to `operations()` is tried by all of them without a word here, if it takes no body;
one that takes a body, or that anyone may ask, fails until it is written into BODIES or OPEN.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from argon2 import PasswordHasher
from psycopg import sql

from service import api, keys
from service.accounts import UserId
from service.api.operation import Operation
from service.app import create_app
from service.contract.postgres import Database
from service.keys import SCOPES, Scope
from service.pages import FIXED
from service.problems import CATCH_ALL
from service.redirects import ROUTE, SLASHED
from service.settings import ServiceSettings
from service.store.api_keys import ApiKey, api_key_create, api_key_revoke
from service.store.invites import invite_create
from service.store.links import link_create
from tests.conftest import KEY
from tests.service.api.conftest import Person, person
from tests.support.accounts import disable
from tests.support.declared import checking

Client = TestClient[Request, Application]

OPERATIONS = tuple(api.operations())

CLOSED = [operation for operation in OPERATIONS if operation.access != "anyone"]

OPEN = {
    "setUp",
    "signUp",
    "logIn",
    "acceptInvite",
    "isAlive",
    "isReady",
    "describeApi",
    "readApi",
}
"""What anyone may ask; each was put here on purpose."""

BODIES: dict[str, dict[str, object]] = {
    "createLink": {"url": "https://example.com/new"},
    "changeLink": {"title": "changed"},
    "createLinks": {"links": [{"url": "https://example.com/new"}]},
    "changePassword": {"current": "a horse of many colours", "new": "another battery and staple"},
    "changeUser": {"role": "user"},
    "createInvite": {"email": "eve@example.com"},
    "createKey": {"name": "new", "scopes": ["links:read"]},
}
"""A body that is right, for each operation that takes one and is not for anyone."""

UNTOUCHED = {"allowances", "alembic_version"}
"""Tables that say nothing of anybody: whoever asks leaves a trace in the first."""

WEEK = timedelta(days=7)

SECRET = "https://example.com/ada-s-secret"
"""Where Ada's links lead: nobody else is ever told."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody, the headers they send, and what they are to the things in the path."""

    name: str
    headers: dict[str, str]
    scopes: frozenset[Scope] | None = None
    """None: a session."""
    token: bool = False
    """Whether it is a session's token that they send, even one that opens nothing."""
    known: bool = True
    owner: bool = False
    admin: bool = False


@dataclass(slots=True)
class World:
    """Ada, who owns things; the others, who do not."""

    db: psycopg.AsyncConnection
    client: Client
    ada: Person
    bob: Person
    admin: Person
    gone: Person
    number: int = 0

    async def key(self, owner: UserId, scopes: list[Scope]) -> tuple[ApiKey, dict[str, str]]:
        """Make a key, and the header that shows it."""
        self.number += 1
        key = keys.written(self.number.to_bytes(keys.SECRET_BYTES, "big"))
        made = await api_key_create(self.db, owner, "key", keys.digest(key), scopes, None)
        assert made is not None
        return made, {"Authorization": f"Bearer {key}"}

    async def path(self, operation: Operation) -> str:
        """Return the operation's path, of a thing of Ada's that was made for this request."""
        self.number += 1
        path = operation.path
        if "{code}" in path:
            link = await link_create(self.db, f"ada-{self.number}", SECRET, self.ada.user.id)
            assert link is not None
            path = path.replace("{code}", link.code)
        if path.startswith("/api/v1/users/"):
            path = path.replace("{id}", str(self.ada.user.id))
        if path.startswith("/api/v1/invites/") and "{id}" in path:
            email = f"{self.number}@example.com"
            secret = self.number.to_bytes(32, "big")
            made = await invite_create(self.db, email, "user", secret, self.admin.user.id, WEEK)
            path = path.replace("{id}", str(made.id))
        if "{id}" in path:
            key, _ = await self.key(self.ada.user.id, ["links:read"])
            path = path.replace("{id}", str(key.id))
        assert "{" not in path, f"{operation.id}: say here what is meant in {path}"
        return path

    async def askers(self) -> list[Asker]:
        """Everybody who may come along."""
        revoked, shows_revoked = await self.key(self.ada.user.id, list(SCOPES))
        await api_key_revoke(self.db, self.ada.user.id, revoked.id)
        expired, shows_expired = await self.key(self.ada.user.id, list(SCOPES))
        await self.db.execute(
            "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = %s", [expired.id]
        )
        _, shows_gone = await self.key(self.gone.user.id, list(SCOPES))
        _, unknown = await self.key(self.ada.user.id, list(SCOPES))
        await self.db.execute("DELETE FROM api_keys WHERE id = (SELECT max(id) FROM api_keys)")
        askers = [
            Asker("nobody", {}, known=False),
            Asker("a bad token", {"Authorization": "Bearer x.y.z"}, known=False),
            Asker("a disabled user", self.gone.headers, token=True, known=False),
            Asker("a disabled user's key", shows_gone, frozenset(SCOPES), known=False),
            Asker("a revoked key", shows_revoked, frozenset(SCOPES), known=False, owner=True),
            Asker("an expired key", shows_expired, frozenset(SCOPES), known=False, owner=True),
            Asker("a key that is gone", unknown, frozenset(SCOPES), known=False, owner=True),
            Asker("bob", self.bob.headers, token=True),
            Asker("the admin", self.admin.headers, token=True, admin=True),
            Asker("ada", self.ada.headers, token=True, owner=True),
        ]
        for scope in SCOPES:
            for name, who in (("ada", self.ada), ("bob", self.bob), ("the admin", self.admin)):
                _, shows = await self.key(who.user.id, [scope])
                askers.append(
                    Asker(
                        f"{name}'s key for {scope}",
                        shows,
                        frozenset([scope]),
                        owner=who is self.ada,
                    )
                )
        return askers

    async def everything(self) -> dict[str, str]:
        """A fingerprint of every table; when a key was last used is nobody's thing."""
        cursor = await self.db.execute(
            "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            " AND tablename <> ALL (%s)",
            [sorted(UNTOUCHED)],
        )
        prints = {}
        for (table,) in await cursor.fetchall():
            row = await self.db.execute(
                sql.SQL(
                    "SELECT md5(string_agg(whole, '|' ORDER BY whole)) FROM"
                    " (SELECT (to_jsonb(t) - 'last_used_at')::text AS whole FROM {} t) each"
                ).format(sql.SQL(table))
            )
            prints[table] = str(await row.fetchone())
        assert {"public.links", "public.api_keys", "public.users", "public.outbox"} <= prints.keys()
        return prints


def expected(operation: Operation, asker: Asker) -> tuple[set[int], str | None]:
    """Return what must be answered: status, and the problem's code when it is told apart."""
    if operation.access == "token" and asker.token:
        return set(operation.answers), None
    if operation.access == "token" or not asker.known:
        return {401}, "unauthenticated"
    if asker.scopes is not None and operation.access not in asker.scopes:
        return {403}, "scope_missing"
    others = "{code}" in operation.path and not (asker.owner or asker.admin)
    if others or (operation.access == "admin" and not asker.admin):
        return {403}, "forbidden"
    if "{id}" in operation.path and not (asker.owner or operation.access == "admin"):
        return {404}, "not_found"  # numbers of keys are nobody's to learn, an admin's neither
    return set(operation.answers), None


@pytest.fixture
async def world(
    settings: ServiceSettings, database: Database, db: psycopg.AsyncConnection
) -> AsyncIterator[World]:
    """The service, and everybody's accounts."""
    settings = settings.model_copy(update={"api_rate_limit": 0})
    app = create_app(settings, database, KEY, lambda _: None)
    async with TestClient(TestServer(app), trace_configs=[checking()]) as client:
        names = ("ada", "bob", "gone")
        ada, bob, gone = [await person(db, app, f"{name}@example.com") for name in names]
        admin = await person(db, app, "root@example.com", "admin")
        await disable(db, "gone@example.com")
        weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        await db.execute(
            "UPDATE users SET password_hash = %s",
            [weak.hash(str(BODIES["changePassword"]["current"]))],
        )
        await link_create(db, "ada-0", SECRET, ada.user.id)
        yield World(db, client, ada, bob, admin, gone)


def body_of(operation: Operation) -> dict[str, Any]:
    """Return what to send."""
    if operation.body is None:
        return {}
    assert operation.id in BODIES, f"write a body for {operation.id} into BODIES"
    return {"json": BODIES[operation.id]}


@pytest.mark.parametrize("operation", CLOSED, ids=lambda operation: operation.id)
async def test_everybody_on_every_route(world: World, operation: Operation) -> None:
    """Each asker gets what the table of operations says, refusals change nothing, and nobody but
    Ada and the admin is told where Ada's links lead.
    """
    methods = [operation.method] + ["HEAD"] * (operation.method == "GET")
    for asker in await world.askers():
        for method in methods:
            path = await world.path(operation)
            before = await world.everything()
            response = await world.client.request(
                method, path, headers=asker.headers, **body_of(operation)
            )
            text = await response.text()
            statuses, code = expected(operation, asker)
            told = f"{asker.name}: {method} {path}: {response.status} {text}"
            assert response.status in statuses, told
            if code is not None and method != "HEAD":
                assert code == (await response.json())["code"], told
            if not response.ok or method in {"GET", "HEAD"}:
                assert before == await world.everything(), told
            if not (asker.known and (asker.owner or asker.admin)):
                assert SECRET not in text, told
                assert "ada@example.com" not in text, told


@pytest.mark.parametrize("operation", CLOSED, ids=lambda operation: operation.id)
async def test_what_others_may_do_leaves_adas_alone(world: World, operation: Operation) -> None:
    """Whatever Bob is allowed changes no row of Ada's, of links or keys or sessions."""
    await world.key(world.ada.user.id, ["links:read"])
    path = await world.path(operation)

    async def hers() -> list[Any]:
        cursor = await world.db.execute(
            "SELECT to_jsonb(l)::text FROM links l WHERE owner_id = %(id)s UNION ALL"
            " SELECT to_jsonb(k)::text FROM api_keys k WHERE user_id = %(id)s UNION ALL"
            " SELECT to_jsonb(s)::text FROM sessions s WHERE user_id = %(id)s UNION ALL"
            " SELECT to_jsonb(u)::text FROM users u WHERE id = %(id)s ORDER BY 1",
            {"id": world.ada.user.id},
        )
        return await cursor.fetchall()

    before = await hers()
    response = await world.client.request(
        operation.method, path, headers=world.bob.headers, **body_of(operation)
    )
    assert before == await hers(), (operation.id, response.status)


def test_open_operations_are_open_on_purpose() -> None:
    """What anyone may ask is listed, and what takes a token though its session has ended; everything
    else takes a session, or a scope that exists.
    """
    assert {operation.id for operation in OPERATIONS if operation.access == "anyone"} == OPEN
    assert {operation.id for operation in OPERATIONS if operation.access == "token"} == {"logOut"}
    assert {operation.access for operation in CLOSED} <= {"token", "session", "admin", *SCOPES}


def test_bodies_are_for_operations_that_are_there() -> None:
    """A body that no operation takes any more is struck from the list."""
    assert {operation.id for operation in CLOSED if operation.body} == set(BODIES)


def test_every_route_is_an_operation(app: Application) -> None:
    """Nothing is answered that the table does not tell, but for redirects and pages."""
    paths = {resource.canonical for resource in app.router.resources()} - {SLASHED, *FIXED}
    assert paths == {operation.path for operation in OPERATIONS} | {ROUTE, CATCH_ALL}
