"""Changing the role or the state of an account: one way for the API and the command line."""

from __future__ import annotations

from psycopg import AsyncConnection

from service.accounts import Role, UserId
from service.errors import LastAdmin
from service.store.sessions import sessions_end
from service.store.users import User, admin_is_last, admins_lock, user_update


async def change(
    connection: AsyncConnection,
    user_id: UserId,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    force: bool = False,
) -> User | None:
    """Change an account at once, for the tokens it has too; disabling it ends its sessions.

    What is None stays. Changes that concern admins wait for one another, so of several at once none
    leaves the service without an active admin. Return None when there is no such account.
    Raises LastAdmin unless `force`.
    """
    async with connection.transaction():
        await admins_lock(connection)
        loses = disabled or role == "user"
        if loses and not force and await admin_is_last(connection, user_id):
            raise LastAdmin("Make another account an admin first.")
        user = await user_update(connection, user_id, role=role, disabled=disabled)
        if user is not None and disabled:
            await sessions_end(connection, user_id)
        return user
