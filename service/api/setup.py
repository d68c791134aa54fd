"""POST /api/v1/setup: the first admin, made by whoever was told the setup token."""

from __future__ import annotations

from aiohttp import web
from psycopg import AsyncConnection
from pydantic import Field

from service.api.accounts import EMAIL, PASSWORD, AccountCreated, Email, Password, hashed, signed_up
from service.api.operation import Operation
from service.api.sessions import COOKIE, begin_session
from service.bodies import Body, body
from service.connections import connection
from service.errors import AlreadySetUp, BadSetupToken, EmailTaken, TooManyRequests
from service.setup import digest
from service.store.setup import setup_holds, setup_use
from service.store.users import admin_exists, admins_lock, user_create
from service.throttle import allow


class Setup(Body):
    """The first admin, and the token that `python -m service setup` prints."""

    token: str = Field(
        description="The setup token.",
        examples=["Yx0Zr5Pd0u2wV9bq3mJcK7sT1hN6aF4eG8iL_oQ-yWE"],
        repr=False,
    )
    email: Email = EMAIL
    password: Password = PASSWORD


async def setup(request: web.Request) -> web.Response:
    """Make the first admin, once: 201; 409 when there is one, 403 when the token does not hold."""
    wanted = await body(request, Setup)
    await allow(request, "setup")
    secret_hash = digest(wanted.token)
    async with connection(request) as held:
        await _refuse_second(held)
        if not await setup_holds(held, secret_hash):
            raise BadSetupToken
    async with connection(request) as held, held.transaction():
        await admins_lock(held)
        await _refuse_second(held)
        if not await setup_use(held, secret_hash):
            raise BadSetupToken
        # Under the lock, so that of many at once only the one that wins has to be hashed for.
        password_hash = await hashed(request, "/password", wanted.password, wanted.email)
        user = await user_create(held, wanted.email, password_hash, "admin")
        if user is None:
            raise EmailTaken("Use another e-mail, or `python -m service user role EMAIL admin`.")
        session = await begin_session(request, held, user)
    return signed_up(request, user, session)


async def _refuse_second(held: AsyncConnection) -> None:
    if await admin_exists(held):
        raise AlreadySetUp("Log in, or ask whoever runs this service for an account.")


OPERATIONS = (
    Operation(
        id="setUp",
        method="POST",
        path="/api/v1/setup",
        handler=setup,
        access="anyone",
        summary="Make the first admin, with the token that `python -m service setup` prints.",
        body=Setup,
        answers={201: AccountCreated},
        tells=(COOKIE,),
        errors=(BadSetupToken, AlreadySetUp, EmailTaken, TooManyRequests),
    ),
)
