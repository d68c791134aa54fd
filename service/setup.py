"""How a new installation gets its first admin: a secret told to the operator, good for one account."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from hashlib import sha256

from psycopg import AsyncConnection

from service.store.setup import setup_offer
from service.store.users import admin_exists, admins_lock

LIFETIME = timedelta(hours=24)

_BYTES = 32


async def offer(connection: AsyncConnection) -> str | None:
    """Return a new secret that makes the first admin, once. None: there is an admin.

    Any earlier secret holds no longer.
    """
    async with connection.transaction():
        await admins_lock(connection)
        if await admin_exists(connection):
            return None
        secret = secrets.token_urlsafe(_BYTES)
        await setup_offer(connection, digest(secret), LIFETIME)
        return secret


def digest(secret: str) -> bytes:
    """Return what is kept of a secret. It is 256 random bits: nothing slower is needed."""
    return sha256(secret.encode("utf-8", "replace")).digest()


def command(url: str, secret: str) -> str:
    """Return the line to type, with an e-mail and a password still to be put in."""
    document = json.dumps({"token": secret, "email": "EMAIL", "password": "PASSWORD"})
    return f"curl {url}/api/v1/setup -H 'Content-Type: application/json' -d '{document}'"
