"""POST and GET /api/v1/keys, and DELETE /api/v1/keys/{id}: an account's API keys."""

from __future__ import annotations

import secrets
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field, WithJsonSchema

from service import keys, texts
from service.api.numbers import number
from service.api.operation import CALLER, Answer, Operation, respond
from service.api.times import CREATED_AT, Expiry, Instant
from service.bodies import Body, body
from service.connections import connection
from service.errors import NotFound, TooManyKeys
from service.keys import KeyId, Scope
from service.store import api_keys as store

NAME = Field(description="Name of the program that uses the key.", examples=["nightly report"])


class ApiKeyCreate(Body):
    """A new API key."""

    name: Annotated[
        str,
        AfterValidator(keys.name),
        WithJsonSchema(
            {"type": "string", "pattern": texts.line_pattern(keys.NAME_LIMIT, blank=False)}
        ),
    ] = NAME
    scopes: Annotated[list[Scope], AfterValidator(keys.scopes)] = Field(
        description="What the key may be used for; at least one.",
        examples=[["links:read", "stats:read"]],
        json_schema_extra={"minItems": 1},
    )
    expires_at: Expiry | None = Field(
        default=None,
        description="When the key expires: a time in the future with its zone. Null: never.",
        examples=["2040-01-31T12:00:00Z"],
    )


class ApiKey(Answer):
    """An API key without its secret."""

    id: int = Field(description="Number of the key.", examples=[1])
    name: str = NAME
    scopes: list[Scope] = Field(
        description="What the key may be used for.", examples=[["links:read", "stats:read"]]
    )
    created_at: Instant = CREATED_AT
    expires_at: Instant | None = Field(
        description="When it expires. Null: never.", examples=["2040-01-31T12:00:00Z"]
    )
    last_used_at: Instant | None = Field(
        description="When it was last used, to the minute. Null: never.",
        examples=["2026-11-24T12:30:00Z"],
    )
    revoked_at: Instant | None = Field(description="When it was revoked.", examples=[None])


class ApiKeyCreated(ApiKey):
    """A new API key, with its secret."""

    key: str = Field(
        description="The key itself, shown only in this answer.",
        examples=["ec_Yx0Zr5Pd0u2wV9bq3mJcK7sT1hN6aF4eG8iLoQ-yWEaAbBcCd"],
    )


class ApiKeyList(Answer):
    """The API keys of an account, newest first."""

    keys: list[ApiKey] = Field(description="All active keys, and the latest that have ended.")


async def create(request: web.Request) -> web.Response:
    """Make a key: 201; 409 when the account has as many as it may."""
    user = request[CALLER]
    wanted = await body(request, ApiKeyCreate)
    key = keys.written(secrets.token_bytes(keys.SECRET_BYTES))
    async with connection(request) as held, held.transaction():
        await store.api_keys_lock(held, user.id)
        made = await store.api_key_create(
            held, user.id, wanted.name, keys.digest(key), wanted.scopes, wanted.expires_at
        )
        if made is None:
            raise TooManyKeys(f"Revoke one first: {keys.ACTIVE_LIMIT} may be active.")
    return respond(ApiKeyCreated(**_shown(made).model_dump(), key=key), status=201)


async def listing(request: web.Request) -> web.Response:
    """List one's own keys."""
    async with connection(request) as held:
        found = await store.api_keys_of_user(held, request[CALLER].id)
    return respond(ApiKeyList(keys=[_shown(each) for each in found]))


async def revoke(request: web.Request) -> web.Response:
    """End a key of one's own at once: 204, and again 204.

    Other people's are 404 like those that never were: the numbers say nothing.
    """
    key_id = KeyId(number(request, "You have no such key."))
    async with connection(request) as held, held.transaction():
        if await store.api_key_revoke(held, request[CALLER].id, key_id) is None:
            raise NotFound("You have no such key.")
    return web.Response(status=204)


def _shown(key: store.ApiKey) -> ApiKey:
    return ApiKey(
        id=key.id,
        name=key.name,
        scopes=key.scopes,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )


OPERATIONS = (
    Operation(
        id="createKey",
        method="POST",
        path="/api/v1/keys",
        handler=create,
        access="session",
        summary="Make an API key; it is shown this once.",
        body=ApiKeyCreate,
        answers={201: ApiKeyCreated},
        errors=(TooManyKeys,),
    ),
    Operation(
        id="listKeys",
        method="GET",
        path="/api/v1/keys",
        handler=listing,
        access="session",
        summary="List one's own API keys, and when each was last used.",
        answers={200: ApiKeyList},
    ),
    Operation(
        id="revokeKey",
        method="DELETE",
        path="/api/v1/keys/{id}",
        handler=revoke,
        access="session",
        summary="End an API key at once.",
        answers={204: None},
        errors=(NotFound,),
    ),
)
