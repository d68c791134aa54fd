"""POST /api/v1/signup, /login, /logout and GET /api/v1/me."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator

from service import accounts
from service.api.operation import CALLER, Answer, Operation, respond
from service.api.times import Instant
from service.bodies import Body, body
from service.connections import connection
from service.errors import (
    BadCredentials,
    CrossSite,
    EmailTaken,
    Refused,
    TooManyRequests,
    Unauthenticated,
)
from service.identity import COOKIE, claimed
from service.lifespan import PASSWORDS, SETTINGS, TOKENS
from service.sessions import LIFETIME, Session, begin
from service.store.sessions import session_end
from service.store.users import User, user_by_email, user_create, user_rehash
from service.throttle import allow


class Signup(Body):
    """What an account is made of."""

    email: Annotated[str, AfterValidator(accounts.email)]
    password: Annotated[str, AfterValidator(accounts.password)]


class Login(Body):
    """Not judged by the rules of sign-up: what no account can have is simply wrong."""

    email: str
    password: str


class Account(Answer):
    """An account, to whoever has it."""

    email: str
    role: accounts.Role
    created_at: Instant


class Begun(Answer):
    """A session: its bearer token, and when that ends."""

    token: str
    expires_at: Instant


class SignedUp(Account, Begun):
    """A new account and its first session."""


async def signup(request: web.Request) -> web.Response:
    """Make an account and begin its first session: 201; 409 when the e-mail is taken."""
    wanted = await body(request, Signup)
    await allow(request, "signup")
    password_hash = await request.app[PASSWORDS].hash(wanted.password)
    async with connection(request) as held, held.transaction():
        user = await user_create(held, wanted.email, password_hash)
        if user is None:
            raise EmailTaken("Log in, or use another e-mail.")
        session = await begin(held, request.app[TOKENS], user.id, datetime.now(UTC))
    answer = SignedUp(**_account(user).model_dump(), **_begun(session).model_dump())
    return _signed_in(request, session, answer, status=201)


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
    async with connection(request) as held:
        user = await user_by_email(held, email)
    passwords = request.app[PASSWORDS]
    right = await passwords.verify(user.password_hash if user else None, password)
    if user is None or not right or user.disabled_at is not None:
        raise BadCredentials
    await allowed.give_back()
    fresh = None
    if passwords.needs_rehash(user.password_hash):
        fresh = await passwords.hash(password)
    async with connection(request) as held:
        if fresh is not None:
            await user_rehash(held, user.id, user.password_hash, fresh)
        session = await begin(held, request.app[TOKENS], user.id, datetime.now(UTC))
    return _signed_in(request, session, _begun(session), status=200)


async def logout(request: web.Request) -> web.Response:
    """End the session in the database, so that its token is worth nothing anywhere: 204."""
    claims = claimed(request)
    async with connection(request) as held:
        await session_end(held, claims.session_id)
    response = web.Response(status=204)
    response.del_cookie(COOKIE, path="/")
    return response


async def me(request: web.Request) -> web.Response:
    """Answer whose token this is."""
    return respond(_account(request[CALLER]))


def _account(user: User) -> Account:
    return Account(email=user.email, role=user.role, created_at=user.created_at)


def _begun(session: Session) -> Begun:
    return Begun(token=session.token, expires_at=session.expires_at)


def _signed_in(
    request: web.Request, session: Session, answer: Answer, *, status: int
) -> web.Response:
    response = respond(answer, status=status)
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=request.app[SETTINGS].public_url.startswith("https://"),
        httponly=True,
        samesite="Lax",
    )
    return response


OPERATIONS = (
    Operation(
        id="signUp",
        method="POST",
        path="/api/v1/signup",
        handler=signup,
        access="anyone",
        summary="Make an account and begin its first session.",
        body=Signup,
        answers={201: SignedUp},
        errors=(EmailTaken, TooManyRequests),
    ),
    Operation(
        id="logIn",
        method="POST",
        path="/api/v1/login",
        handler=login,
        access="anyone",
        summary="Begin a session.",
        body=Login,
        answers={200: Begun},
        errors=(BadCredentials, TooManyRequests),
    ),
    Operation(
        id="logOut",
        method="POST",
        path="/api/v1/logout",
        handler=logout,
        # Not "session": the second logout of a session that has ended is as good as the first.
        access="anyone",
        summary="End the session whose token this is.",
        answers={204: None},
        errors=(Unauthenticated, CrossSite),
    ),
    Operation(
        id="whoAmI",
        method="GET",
        path="/api/v1/me",
        handler=me,
        access="session",
        summary="Tell whose session asks.",
        answers={200: Account},
    ),
)
