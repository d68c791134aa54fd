"""POST /api/v1/signup, /login, /logout and GET /api/v1/me."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator

from service import accounts
from service.api.times import written
from service.bodies import Body, body
from service.connections import connection
from service.errors import BadCredentials, EmailTaken, Refused
from service.identity import COOKIE, claimed, identify
from service.lifespan import PASSWORDS, SETTINGS, TOKENS
from service.sessions import LIFETIME, Session, begin
from service.store.sessions import session_end
from service.store.users import User, user_by_email, user_create, user_rehash


class Signup(Body):
    """What an account is made of."""

    email: Annotated[str, AfterValidator(accounts.email)]
    password: Annotated[str, AfterValidator(accounts.password)]


class Login(Body):
    """Not judged by the rules of sign-up: what no account can have is simply wrong."""

    email: str
    password: str


async def signup(request: web.Request) -> web.Response:
    """Make an account and begin its first session: 201; 409 when the e-mail is taken."""
    wanted = await body(request, Signup)
    password_hash = await request.app[PASSWORDS].hash(wanted.password)
    async with connection(request) as held, held.transaction():
        user = await user_create(held, wanted.email, password_hash)
        if user is None:
            raise EmailTaken("Log in, or use another e-mail.")
        session = await begin(held, request.app[TOKENS], user.id, datetime.now(UTC))
    return _signed_in(request, session, {**_account(user), **_session(session)}, status=201)


async def login(request: web.Request) -> web.Response:
    """Begin a session: 200; 401 for every reason why not, in the same words and time."""
    given = await body(request, Login)
    try:
        email, password = accounts.email(given.email), accounts.password(given.password)
    except Refused as error:
        raise BadCredentials from error
    async with connection(request) as held:
        user = await user_by_email(held, email)
    passwords = request.app[PASSWORDS]
    right = await passwords.verify(user.password_hash if user else None, password)
    if user is None or not right or user.disabled_at is not None:
        raise BadCredentials
    fresh = None
    if passwords.needs_rehash(user.password_hash):
        fresh = await passwords.hash(password)
    async with connection(request) as held:
        if fresh is not None:
            await user_rehash(held, user.id, user.password_hash, fresh)
        session = await begin(held, request.app[TOKENS], user.id, datetime.now(UTC))
    return _signed_in(request, session, _session(session), status=200)


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
    return web.json_response(_account(await identify(request)))


def _account(user: User) -> dict[str, str]:
    return {"email": user.email, "role": user.role, "created_at": written(user.created_at)}


def _session(session: Session) -> dict[str, str]:
    return {"token": session.token, "expires_at": written(session.expires_at)}


def _signed_in(
    request: web.Request, session: Session, payload: dict[str, str], *, status: int
) -> web.Response:
    response = web.json_response(payload, status=status)
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
