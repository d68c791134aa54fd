"""POST /api/v1/login, /logout, /logout-all: sessions begin and end."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web
from psycopg import AsyncConnection
from pydantic import Field

from service import accounts, cookies, sessions
from service.api.header import Header
from service.api.operation import CALLER, Answer, Operation, respond
from service.api.times import Instant
from service.bodies import Body, body
from service.connections import connection, hashing
from service.errors import BadCredentials, Refused, TooManyRequests, Unavailable
from service.identity import claimed
from service.lifespan import PASSWORDS, SETTINGS, TOKENS
from service.store.sessions import session_end, sessions_end
from service.store.users import User, user_by_email, user_rehash, user_stands
from service.throttle import allow

COOKIE = Header(
    "Set-Cookie",
    "Has a browser keep the session's token as a cookie, or remove the cookie when the session ends.",
    {"type": "string"},
    always=True,
)

TRIES = 2
"""Looks at an account whose password or state changes while it is checked."""


class Login(Body):
    """Credentials of an account."""

    # Not checked by the rules of sign-up: what no account can have is wrong like any other.
    email: str = Field(description="E-mail address of the account.", examples=["ada@example.com"])
    password: str = Field(
        description="Its password.", examples=["correct horse battery staple"], repr=False
    )


class Session(Answer):
    """A session and its bearer token."""

    token: str = Field(
        description="Bearer token, for the Authorization header.", examples=["eyJhbGciOi…"]
    )
    expires_at: Instant = Field(
        description="When the token expires: after 7 days.", examples=["2026-12-01T12:00:00Z"]
    )


async def login(request: web.Request) -> web.Response:
    """Begin a session: 200; 401 for every reason why not, in the same words and time.

    A try counts against account and address until it is found right: of guesses made at once no
    more are compared than of guesses made one by one.
    """
    given = await body(request, Login)
    try:
        email, password = accounts.email(given.email), accounts.password(given.password)
    except Refused as error:
        raise BadCredentials from error
    allowed = await allow(request, "login", email)
    for _ in range(TRIES):
        user = await _authenticated(request, email, password)
        async with connection(request) as held, held.transaction():
            # A password changed since it was checked has ended all sessions: no new one by the old.
            if await user_stands(held, user.id, user.password_hash):
                session = await begin_session(request, held, user)
                break
    else:
        raise Unavailable("The account is being changed; try again.")
    await allowed.give_back()
    await _renew(request, user, password)
    return signed_in(request, session, session_model(session), status=200)


async def logout(request: web.Request) -> web.Response:
    """End the session in the database, so that its token is worth nothing anywhere: 204."""
    claims = claimed(request)
    async with connection(request) as held, held.transaction():
        await session_end(held, claims.session_id)
    return _signed_out(request)


async def logout_all(request: web.Request) -> web.Response:
    """End every session of whoever asks, this one included: 204."""
    async with connection(request) as held, held.transaction():
        await sessions_end(held, request[CALLER].id)
    return _signed_out(request)


async def begin_session(
    request: web.Request, held: AsyncConnection, user: User
) -> sessions.Session:
    """Begin a session of the user's, as part of the transaction."""
    return await sessions.begin(held, request.app[TOKENS], user.id, datetime.now(UTC))


def session_model(session: sessions.Session) -> Session:
    """Tell a session to its bearer."""
    return Session(token=session.token, expires_at=session.expires_at)


def signed_in(
    request: web.Request, session: sessions.Session, answer: Answer, *, status: int
) -> web.Response:
    """Answer with a session's token, and give it to the browser as a cookie."""
    response = respond(answer, status=status)
    seconds = int(sessions.LIFETIME.total_seconds())
    cookies.keep(response, request.app[SETTINGS], session.token, seconds=seconds)
    return response


def _signed_out(request: web.Request) -> web.Response:
    response = web.Response(status=204)
    cookies.forget(response, request.app[SETTINGS])
    return response


async def _authenticated(request: web.Request, email: str, password: str) -> User:
    async with connection(request) as held:
        user = await user_by_email(held, email)
    async with hashing(request) as passwords:
        right = await passwords.verify(user.password_hash if user else None, password)
    if user is None or not right or user.disabled_at is not None:
        raise BadCredentials
    return user


async def _renew(request: web.Request, user: User, password: str) -> None:
    """Replace a hash of other parameters while the password is at hand; if not now, next time."""
    if not request.app[PASSWORDS].needs_rehash(user.password_hash):
        return
    try:
        async with hashing(request) as passwords:
            fresh = await passwords.hash(password)
    except Unavailable:
        return
    async with connection(request) as held:
        await user_rehash(held, user.id, user.password_hash, fresh)


OPERATIONS = (
    Operation(
        id="logIn",
        method="POST",
        path="/api/v1/login",
        handler=login,
        access="anyone",
        summary="Begin a session.",
        body=Login,
        answers={200: Session},
        tells=(COOKIE,),
        errors=(BadCredentials, TooManyRequests),
    ),
    Operation(
        id="logOut",
        method="POST",
        path="/api/v1/logout",
        handler=logout,
        # Not "session": the second logout of a session that has ended is as good as the first.
        access="token",
        summary="End this session.",
        answers={204: None},
        tells=(COOKIE,),
    ),
    Operation(
        id="logOutEverywhere",
        method="POST",
        path="/api/v1/logout-all",
        handler=logout_all,
        access="session",
        summary="End every session of the account, this one included.",
        answers={204: None},
        tells=(COOKIE,),
    ),
)
