"""user add, list, disable; token: the accounts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from getpass import getpass
from typing import Annotated, Literal
from uuid import uuid4

import typer
from psycopg import AsyncConnection

from service import accounts
from service.cli.session import with_connection, with_key
from service.contract.process import FAILED, OK, say
from service.errors import Refused
from service.passwords import Passwords
from service.store.sessions import session_create
from service.store.users import User, user_by_email, user_create, user_disable, users_all
from service.tokens import SessionId, Tokens

app = typer.Typer(help="Accounts.")

Email = Annotated[str, typer.Argument(help="E-mail of the account.")]


@app.command()
def add(
    email: Email,
    role: Annotated[Literal["user", "admin"], typer.Option(help="What it may do.")] = "user",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> int:
    """Make an account; asks for its password unless it comes on standard input."""
    address = _checked("EMAIL", email, accounts.email)
    password = _checked("The password", _password(from_stdin=password_stdin), accounts.password)

    async def work(connection: AsyncConnection) -> User | None:
        passwords = Passwords()
        try:
            hashed = await passwords.hash(password)
        finally:
            passwords.close()
        return await user_create(connection, address, hashed, role)

    user = with_connection(work)
    if user is None:
        say(f"There is an account {address} already.")
        return FAILED
    print(user.email)
    return OK


@app.command("list")
def list_() -> int:
    """List the accounts, oldest first."""
    for user in with_connection(users_all):
        state = f"disabled {user.disabled_at:%Y-%m-%d}" if user.disabled_at else "active"
        print(f"{user.email}\t{user.role}\t{user.created_at:%Y-%m-%d}\t{state}")
    return OK


@app.command()
def disable(email: Email) -> int:
    """Shut an account out at once, whatever tokens it has."""

    async def work(connection: AsyncConnection) -> User | None:
        return await user_disable(connection, email.lower())

    if with_connection(work) is None:
        return _unknown(email)
    say(f"{email} is disabled.")
    return OK


def token(
    email: Email,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it expires.")] = 7,
) -> int:
    """Print a bearer token for an account."""
    session_id = SessionId(uuid4())
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=days)

    async def work(connection: AsyncConnection, key: bytes) -> str | None:
        user = await user_by_email(connection, email.lower())
        if user is None or user.disabled_at is not None:
            return None
        await session_create(connection, session_id, user.id, expires_at)
        return Tokens(key).issue(user.id, session_id, now, expires_at)

    made = with_key(work)
    if made is None:
        return _unknown(email)
    print(made)
    return OK


def _unknown(email: str) -> int:
    say(f"There is no active account {email}.")
    return FAILED


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return getpass("Password: ")


def _checked(name: str, value: str, rule: Callable[[str], str]) -> str:
    try:
        return rule(value)
    except Refused as error:
        raise typer.BadParameter(f"{name}: {error}") from None
