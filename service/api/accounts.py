"""POST /api/v1/signup and GET /api/v1/me: an account of one's own."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from psycopg import AsyncConnection
from pydantic import AfterValidator, Field, WithJsonSchema

from service import accounts, sessions
from service.api.operation import CALLER, Answer, Operation, respond
from service.api.sessions import COOKIE, Session, begin_session, session_model, signed_in
from service.api.times import CREATED_AT, Instant
from service.bodies import Body, body
from service.connections import connection, hashing
from service.errors import EmailTaken, Invalid, Refused, SignupClosed, TooManyRequests
from service.lifespan import SETTINGS
from service.problem import FieldProblem
from service.store.users import User, admin_exists, admins_lock_shared, user_create
from service.throttle import allow

Email = Annotated[
    str,
    AfterValidator(accounts.email),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{accounts.EMAIL_PATTERN}$",
            "maxLength": accounts.EMAIL_LIMIT,
        }
    ),
]

Password = Annotated[
    str,
    AfterValidator(accounts.password),
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "minLength": accounts.PASSWORD_LEAST,
            "maxLength": accounts.PASSWORD_LIMIT,
            "pattern": f"^{accounts.WITHOUT_NUL}$",
        }
    ),
]


EMAIL = Field(description="E-mail address, kept in lower case.", examples=["ada@example.com"])

PASSWORD = Field(
    description="Password; one that is easy to guess is refused.",
    examples=["correct horse battery staple"],
    repr=False,
)

ROLE = Field(description="`admin`: may act on all links and accounts.", examples=["user"])


class Signup(Body):
    """A new account."""

    email: Email = EMAIL
    password: Password = PASSWORD


class Account(Answer):
    """The account of the session."""

    email: str = EMAIL
    role: accounts.Role = ROLE
    created_at: Instant = CREATED_AT


class AccountCreated(Account, Session):
    """A new account and its first session."""


async def signup(request: web.Request) -> web.Response:
    """Make an account and begin its first session: 201; 403 when closed, 409 when it is taken."""
    wanted = await body(request, Signup)
    await allow(request, "signup")
    async with connection(request) as held:
        await _admit(request, held)
    password_hash = await hashed(request, "/password", wanted.password, wanted.email)
    async with connection(request) as held, held.transaction():
        await admins_lock_shared(held)
        await _admit(request, held)
        user = await user_create(held, wanted.email, password_hash)
        if user is None:
            raise EmailTaken("Log in, or use another e-mail.")
        session = await begin_session(request, held, user)
    return signed_up(request, user, session)


async def me(request: web.Request) -> web.Response:
    """Answer whose token this is."""
    return respond(_account(request[CALLER]))


async def hashed(request: web.Request, pointer: str, password: str, email: str) -> str:
    """Return the hash of a password that the account is given. Raises Invalid when it may not be."""
    try:
        accounts.new_password(password, email)
    except Refused as error:
        raise Invalid([FieldProblem(pointer, str(error), error.code)]) from error
    async with hashing(request) as passwords:
        return await passwords.hash(password)


def signed_up(request: web.Request, user: User, session: sessions.Session) -> web.Response:
    """Answer with a new account and its first session: 201."""
    answer = AccountCreated(**_account(user).model_dump(), **session_model(session).model_dump())
    return signed_in(request, session, answer, status=201)


async def _admit(request: web.Request, held: AsyncConnection) -> None:
    """Raise SignupClosed unless anybody may make an account."""
    switch = request.app[SETTINGS].signup
    if switch == "off" or (switch == "auto" and await admin_exists(held)):
        raise SignupClosed("Ask whoever runs this service for an account.")


def _account(user: User) -> Account:
    return Account(email=user.email, role=user.role, created_at=user.created_at)


OPERATIONS = (
    Operation(
        id="signUp",
        method="POST",
        path="/api/v1/signup",
        handler=signup,
        access="anyone",
        summary="Make an account and begin its first session.",
        body=Signup,
        answers={201: AccountCreated},
        tells=(COOKIE,),
        errors=(SignupClosed, EmailTaken, TooManyRequests),
    ),
    Operation(
        id="whoAmI",
        method="GET",
        path="/api/v1/me",
        handler=me,
        access="session",
        summary="Return the account of the session.",
        answers={200: Account},
    ),
)
