"""/api/v1/invites: accounts that admins offer, and accepting one."""

from __future__ import annotations

import secrets
from datetime import timedelta

from aiohttp import web
from pydantic import Field

from service import accounts
from service.api.accounts import (
    EMAIL,
    PASSWORD,
    ROLE,
    AccountCreated,
    Email,
    Password,
    hashed,
    signed_up,
)
from service.api.numbers import number
from service.api.operation import CALLER, Answer, Operation, respond
from service.api.paging import CURSOR, LIMIT, LINK, NEXT, Cursor, Limit, next_link
from service.api.sessions import COOKIE, begin_session
from service.api.times import CREATED_AT, Instant
from service.bodies import Body, Query, body, query
from service.connections import connection
from service.errors import BadInvite, EmailTaken, NotFound, TooManyRequests
from service.setup import digest
from service.store import invites as store
from service.store.invites import InviteId
from service.store.users import admins_lock, user_by_email, user_create
from service.throttle import allow

PATH = "/api/v1/invites"

LIFETIME = timedelta(days=7)

SECRET_BYTES = 32


class InviteQuery(Query):
    """Which invites to list."""

    limit: Limit = LIMIT
    cursor: Cursor | None = CURSOR


class InviteCreate(Body):
    """An account to offer."""

    email: Email = Field(description="E-mail address of the account.", examples=["bob@example.com"])
    role: accounts.Role = Field(
        default="user", description="Role of the account.", examples=["user"]
    )


class InviteAccept(Body):
    """The token of an invite, and a password for the account."""

    token: str = Field(
        description="The token of the invite.",
        examples=["Yx0Zr5Pd0u2wV9bq3mJcK7sT1hN6aF4eG8iL_oQ-yWE"],
        repr=False,
    )
    password: Password = PASSWORD


class Invite(Answer):
    """An invite without its token."""

    id: int = Field(description="Number of the invite.", examples=[1])
    email: str = EMAIL
    role: accounts.Role = ROLE
    created_at: Instant = CREATED_AT
    expires_at: Instant = Field(
        description="When it expires: after 7 days.", examples=["2026-12-01T12:00:00Z"]
    )
    accepted_at: Instant | None = Field(description="When it was accepted.", examples=[None])
    revoked_at: Instant | None = Field(description="When it was revoked.", examples=[None])


class InviteCreated(Invite):
    """A new invite, with its token."""

    token: str = Field(
        description="The token, shown only in this answer. Whoever has it can accept the invite.",
        examples=["Yx0Zr5Pd0u2wV9bq3mJcK7sT1hN6aF4eG8iL_oQ-yWE"],
    )


class InviteList(Answer):
    """A page of invites."""

    invites: list[Invite] = Field(description="Invites, newest first.")
    next: str | None = NEXT


async def create(request: web.Request) -> web.Response:
    """Make an invite: 201; an earlier open one for the address is revoked. 409 with an account."""
    wanted = await body(request, InviteCreate)
    token = secrets.token_urlsafe(SECRET_BYTES)
    caller = request[CALLER].id
    async with connection(request) as held, held.transaction():
        # Of several made at once each sees, and revokes, the one before it.
        await admins_lock(held)
        if await user_by_email(held, wanted.email) is not None:
            raise EmailTaken("Change the account that has it: PATCH /api/v1/users/{id}.")
        made = await store.invite_create(
            held, wanted.email, wanted.role, digest(token), caller, LIFETIME
        )
    return respond(InviteCreated(**_invite(made).model_dump(), token=token), status=201)


async def listing(request: web.Request) -> web.Response:
    """List invites."""
    page = query(request, InviteQuery)
    below = InviteId(int(page.cursor)) if page.cursor else store.NEWEST
    async with connection(request) as held:
        found = await store.invites_page(held, below, page.limit + 1)
    listed = found[: page.limit]
    following = str(listed[-1].id) if len(found) > page.limit else None
    return respond(
        InviteList(invites=[_invite(each) for each in listed], next=following),
        headers=next_link(PATH, page, following),
    )


async def revoke(request: web.Request) -> web.Response:
    """Revoke an invite: 204, and again 204; one that was accepted stays as it is."""
    invite_id = InviteId(number(request, "No invite has this number."))
    async with connection(request) as held, held.transaction():
        if await store.invite_revoke(held, invite_id) is None:
            raise NotFound("No invite has this number.")
    return web.Response(status=204)


async def accept(request: web.Request) -> web.Response:
    """Make the account that the invite offers: 201; 403 when the invite is not open."""
    wanted = await body(request, InviteAccept)
    await allow(request, "invite")
    secret_hash = digest(wanted.token)
    async with connection(request) as held:
        invite = await store.invite_find(held, secret_hash)
    if invite is None:
        raise BadInvite("Ask an admin for a new one.")
    password_hash = await hashed(request, "/password", wanted.password, invite.email)
    async with connection(request) as held, held.transaction():
        # Whoever made the invite stays an admin until the account is there, or the invite is not open.
        await admins_lock(held)
        if await store.invite_accept(held, secret_hash) is None:
            raise BadInvite("Ask an admin for a new one.")
        user = await user_create(held, invite.email, password_hash, invite.role)
        if user is None:
            raise EmailTaken("Log in with it.")
        session = await begin_session(request, held, user)
    return signed_up(request, user, session)


def _invite(invite: store.Invite) -> Invite:
    return Invite(
        id=invite.id,
        email=invite.email,
        role=invite.role,
        created_at=invite.created_at,
        expires_at=invite.expires_at,
        accepted_at=invite.accepted_at,
        revoked_at=invite.revoked_at,
    )


OPERATIONS = (
    Operation(
        id="createInvite",
        method="POST",
        path=PATH,
        handler=create,
        access="admin",
        summary="Invite somebody: the answer has a token that makes the account, once, within 7 days.",
        body=InviteCreate,
        answers={201: InviteCreated},
        errors=(EmailTaken,),
    ),
    Operation(
        id="listInvites",
        method="GET",
        path=PATH,
        handler=listing,
        access="admin",
        summary="List invites, newest first.",
        query=InviteQuery,
        answers={200: InviteList},
        tells=(LINK,),
    ),
    Operation(
        id="revokeInvite",
        method="DELETE",
        path=f"{PATH}/{{id}}",
        handler=revoke,
        access="admin",
        summary="Revoke an invite that was not accepted.",
        answers={204: None},
        errors=(NotFound,),
    ),
    Operation(
        id="acceptInvite",
        method="POST",
        path=f"{PATH}/accept",
        handler=accept,
        access="anyone",
        summary="Accept an invite: make the account and begin its first session.",
        body=InviteAccept,
        answers={201: AccountCreated},
        tells=(COOKIE,),
        errors=(BadInvite, EmailTaken, TooManyRequests),
    ),
)
