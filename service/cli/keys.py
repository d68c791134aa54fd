"""key add, list, revoke: the API keys."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from psycopg import AsyncConnection

from service import keys
from service.cli.session import with_connection
from service.contract.process import FAILED, OK, say
from service.errors import Refused
from service.keys import KeyId
from service.store.api_keys import (
    ApiKey,
    api_key_create,
    api_key_revoke,
    api_keys_lock,
    api_keys_of_user,
)
from service.store.users import User, user_by_email

app = typer.Typer(help="API keys.")

Email = Annotated[str, typer.Argument(help="E-mail of the account.")]


@app.command()
def add(
    email: Email,
    scope: Annotated[
        list[str],
        typer.Option(help=f"What it may do: {', '.join(keys.SCOPES)}. Several: say it again."),
    ],
    name: Annotated[str, typer.Option(help="What will use it.")] = "command line",
    days: Annotated[int | None, typer.Option(min=1, max=3660, help="Until it expires.")] = None,
) -> int:
    """Make an API key for an account and print it; it cannot be shown again."""
    try:
        called, scopes = keys.name(name), keys.scopes([keys.scope(each) for each in scope])
    except Refused as error:
        raise typer.BadParameter(str(error)) from None
    key = keys.written(secrets.token_bytes(keys.SECRET_BYTES))
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)

    async def work(connection: AsyncConnection) -> str | None:
        user = await _active(connection, email)
        if user is None:
            return f"There is no active account {email}."
        async with connection.transaction():
            await api_keys_lock(connection, user.id)
            made = await api_key_create(
                connection, user.id, called, keys.digest(key), scopes, expires_at
            )
        if made is None:
            return f"{email} has {keys.ACTIVE_LIMIT} active keys; revoke one first."
        return None

    refused = with_connection(work)
    if refused is not None:
        say(refused)
        return FAILED
    print(key)
    return OK


@app.command("list")
def list_(email: Email) -> int:
    """List an account's API keys, newest first: number, name, scopes, last use, state."""

    async def work(connection: AsyncConnection) -> list[ApiKey] | None:
        user = await user_by_email(connection, email.lower())
        return None if user is None else await api_keys_of_user(connection, user.id)

    found = with_connection(work)
    if found is None:
        say(f"There is no account {email}.")
        return FAILED
    for key in found:
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        print(f"{key.id}\t{key.name}\t{','.join(key.scopes)}\t{used}\t{_state(key)}")
    return OK


@app.command()
def revoke(
    email: Email, number: Annotated[int, typer.Argument(min=1, help="Its number in `key list`.")]
) -> int:
    """End an API key at once."""

    async def work(connection: AsyncConnection) -> ApiKey | None:
        user = await user_by_email(connection, email.lower())
        return None if user is None else await api_key_revoke(connection, user.id, KeyId(number))

    if with_connection(work) is None:
        say(f"{email} has no key {number}.")
        return FAILED
    say(f"Key {number} is revoked.")
    return OK


async def _active(connection: AsyncConnection, email: str) -> User | None:
    user = await user_by_email(connection, email.lower())
    return None if user is None or user.disabled_at is not None else user


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "active"
    over = key.expires_at <= datetime.now(UTC)
    return f"{'expired' if over else 'until'} {key.expires_at:%Y-%m-%d}"
