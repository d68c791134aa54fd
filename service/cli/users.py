"""user add, list, disable, enable, role, password: the accounts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from getpass import getpass
from typing import Annotated

import typer
from psycopg import AsyncConnection

from service import accounts, users
from service.cli.session import with_connection
from service.contract.process import FAILED, OK, say
from service.errors import LastAdmin, Refused
from service.passwords import Passwords
from service.store.sessions import sessions_end
from service.store.users import (
    User,
    admins_lock,
    user_by_email,
    user_create,
    user_set_password,
    users_all,
)

app = typer.Typer(help="Accounts.")

Email = Annotated[str, typer.Argument(help="E-mail of the account.")]


Force = Annotated[bool, typer.Option("--force", help="Though it leaves no admin who can act.")]

FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@app.command()
def add(
    email: Email,
    role: Annotated[accounts.Role, typer.Option(help="What it may do.")] = "user",
    password_stdin: FromStdin = False,
) -> int:
    """Make an account; asks for its password unless it comes on standard input."""
    address = _checked("EMAIL", email, accounts.email)
    password = _password(address, from_stdin=password_stdin)

    async def work(connection: AsyncConnection) -> User | None:
        hashed = await _hash(password)
        async with connection.transaction():
            await admins_lock(connection)
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
def disable(email: Email, force: Force = False) -> int:
    """Shut an account out at once; its sessions end, its keys wait for it to be enabled."""
    return _change(email, f"{email} is disabled.", disabled=True, force=force)


@app.command()
def enable(email: Email) -> int:
    """Let an account in again; it has to log in."""
    return _change(email, f"{email} is enabled.", disabled=False)


@app.command()
def role(
    email: Email,
    wanted: Annotated[accounts.Role, typer.Argument(metavar="user|admin")],
    force: Force = False,
) -> int:
    """Change what an account may do, at once and for the tokens it has."""
    return _change(email, f"{email} is {wanted}.", role=wanted, force=force)


@app.command()
def password(email: Email, password_stdin: FromStdin = False) -> int:
    """Give an account another password, and end all its sessions."""
    address = _checked("EMAIL", email, accounts.email)
    wanted = _password(address, from_stdin=password_stdin)

    async def work(connection: AsyncConnection) -> User | None:
        hashed = await _hash(wanted)
        async with connection.transaction():
            user = await user_set_password(connection, address, hashed)
            if user is not None:
                await sessions_end(connection, user.id)
            return user

    said = f"{address} has the new password; its sessions have ended."
    return _changed(address, said, with_connection(work))


def _changed(email: str, said: str, user: User | str | None) -> int:
    if isinstance(user, str):
        say(user)
        return FAILED
    if user is None:
        say(f"There is no account {email}.")
        return FAILED
    say(said)
    return OK


def _change(
    email: str,
    said: str,
    *,
    role: accounts.Role | None = None,
    disabled: bool | None = None,
    force: bool = False,
) -> int:
    """Change an account, or say why not: no active admin would be left."""

    async def work(connection: AsyncConnection) -> User | str | None:
        user = await user_by_email(connection, email.lower())
        if user is None:
            return None
        try:
            return await users.change(
                connection, user.id, role=role, disabled=disabled, force=force
            )
        except LastAdmin:
            return f"{email} is the only active admin; --force does it all the same."

    return _changed(email, said, with_connection(work))


async def _hash(password: str) -> str:
    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


def _password(address: str, *, from_stdin: bool) -> str:
    text = sys.stdin.readline().rstrip("\r\n") if from_stdin else getpass("Password: ")
    return _checked("The password", text, partial(accounts.new_password, address=address))


def _checked(name: str, value: str, rule: Callable[[str], str]) -> str:
    try:
        return rule(value)
    except Refused as error:
        raise typer.BadParameter(f"{name}: {error}") from None
