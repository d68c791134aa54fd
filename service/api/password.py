"""POST /api/v1/password: another password, and an end to every session begun with the old one."""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from service import accounts
from service.api.accounts import Password, hashed
from service.api.operation import CALLER, Operation
from service.api.sessions import COOKIE, Session, begin_session, session_model, signed_in
from service.bodies import Body, body
from service.connections import connection, hashing
from service.errors import Invalid, Refused
from service.problem import FieldProblem
from service.store.sessions import sessions_end
from service.store.users import user_rehash
from service.throttle import allow


class PasswordChange(Body):
    """The current password and the new one."""

    # Both, so that a session left open is not enough to take an account over.
    current: str = Field(
        description="The current password.", examples=["correct horse battery staple"], repr=False
    )
    new: Password = Field(
        description="The new password.", examples=["another battery and staple"], repr=False
    )


async def change(request: web.Request) -> web.Response:
    """Change the password and end every session; the answer is a new one: 200."""
    given, user = await body(request, PasswordChange), request[CALLER]
    wrong = Invalid(
        [FieldProblem("/current", "This is not the current password.", "wrong_password")]
    )
    try:
        current = accounts.password(given.current)
    except Refused as error:
        raise wrong from error
    # Whoever holds a token guesses no faster than whoever holds none.
    allowed = await allow(request, "password", user.email)
    async with hashing(request) as passwords:
        if not await passwords.verify(user.password_hash, current):
            raise wrong
    await allowed.give_back()
    password_hash = await hashed(request, "/new", given.new, user.email)
    async with connection(request) as held, held.transaction():
        if not await user_rehash(held, user.id, user.password_hash, password_hash):
            raise wrong  # changed by another request meanwhile
        await sessions_end(held, user.id)
        session = await begin_session(request, held, user)
    return signed_in(request, session, session_model(session), status=200)


OPERATIONS = (
    Operation(
        id="changePassword",
        method="POST",
        path="/api/v1/password",
        handler=change,
        access="session",
        summary="Change the password; every session ends, the answer is a new one.",
        body=PasswordChange,
        answers={200: Session},
        tells=(COOKIE,),
    ),
)
