"""GET /api/v1/users, GET and PATCH /api/v1/users/{id}: accounts, for admins."""

from __future__ import annotations

from typing import Literal

from aiohttp import web
from pydantic import ConfigDict, Field, model_validator

from service import accounts, users
from service.accounts import UserId
from service.api.accounts import EMAIL, ROLE
from service.api.numbers import number
from service.api.operation import Answer, Operation, respond
from service.api.paging import CURSOR, LIMIT, LINK, NEXT, Cursor, Limit, next_link
from service.api.times import CREATED_AT, Instant
from service.bodies import Body, Query, body, fields_stay, query
from service.connections import connection
from service.errors import LastAdmin, NotFound, Refused
from service.store import users as store

NO_USER = "No account has this number."

PATH = "/api/v1/users"


class UserQuery(Query):
    """Which accounts to list."""

    limit: Limit = LIMIT
    cursor: Cursor | None = CURSOR
    state: Literal["active", "disabled"] | None = Field(
        default=None,
        description="Only active accounts, or only disabled ones.",
        examples=["active"],
    )
    role: accounts.Role | None = Field(
        default=None, description="Only accounts with this role.", examples=["admin"]
    )
    email: str | None = Field(
        default=None,
        description="Only accounts whose e-mail address begins like this.",
        examples=["ada"],
    )


class UserPatch(Body):
    """Changes to an account: fields that are not given stay."""

    model_config = ConfigDict(json_schema_extra=fields_stay)

    # The defaults are never kept: what counts is which fields were given.
    role: accounts.Role = Field(default="user", description="The new role.", examples=["user"])
    disabled: bool = Field(
        default=False,
        description="True: the account cannot be used, and its sessions end. False: it can again.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _changes_something(self) -> UserPatch:
        if not self.model_fields_set:
            raise Refused("nothing_to_change", "Give at least one field.")
        return self


class User(Answer):
    """An account."""

    id: int = Field(description="Number of the account.", examples=[2])
    email: str = EMAIL
    role: accounts.Role = ROLE
    created_at: Instant = CREATED_AT
    disabled_at: Instant | None = Field(
        description="When it was disabled. Null: it is active.", examples=[None]
    )


class UserList(Answer):
    """A page of accounts."""

    users: list[User] = Field(description="Accounts, newest first.")
    next: str | None = NEXT


async def listing(request: web.Request) -> web.Response:
    """List accounts."""
    page = query(request, UserQuery)
    below = UserId(int(page.cursor)) if page.cursor else store.NEWEST
    disabled = None if page.state is None else page.state == "disabled"
    prefix = (page.email or "").replace("\0", "").lower()
    async with connection(request) as held:
        # One more than asked for tells whether there is a next page.
        found = await store.users_page(
            held, below, page.limit + 1, role=page.role, disabled=disabled, prefix=prefix
        )
    listed = found[: page.limit]
    following = str(listed[-1].id) if len(found) > page.limit else None
    return respond(
        UserList(users=[_user(each) for each in listed], next=following),
        headers=next_link(PATH, page, following),
    )


async def read(request: web.Request) -> web.Response:
    """Return an account."""
    user_id = UserId(number(request, NO_USER))
    async with connection(request) as held:
        user = await store.user_by_id(held, user_id)
    return respond(_user(_there(user)))


async def change(request: web.Request) -> web.Response:
    """Change an account and return it as it is now; 409 when no active admin would be left."""
    user_id = UserId(number(request, NO_USER))
    wanted = await body(request, UserPatch)
    given = wanted.model_fields_set
    async with connection(request) as held:
        user = await users.change(
            held,
            user_id,
            role=wanted.role if "role" in given else None,
            disabled=wanted.disabled if "disabled" in given else None,
        )
    return respond(_user(_there(user)))


def _there(user: store.User | None) -> store.User:
    if user is None:
        raise NotFound(NO_USER)
    return user


def _user(user: store.User) -> User:
    return User(
        id=user.id,
        email=user.email,
        role=user.role,
        created_at=user.created_at,
        disabled_at=user.disabled_at,
    )


OPERATIONS = (
    Operation(
        id="listUsers",
        method="GET",
        path=PATH,
        handler=listing,
        access="admin",
        summary="List accounts, newest first.",
        query=UserQuery,
        answers={200: UserList},
        tells=(LINK,),
    ),
    Operation(
        id="getUser",
        method="GET",
        path=f"{PATH}/{{id}}",
        handler=read,
        access="admin",
        summary="Return an account.",
        answers={200: User},
        errors=(NotFound,),
    ),
    Operation(
        id="changeUser",
        method="PATCH",
        path=f"{PATH}/{{id}}",
        handler=change,
        access="admin",
        summary="Change the role of an account, disable it, or enable it again.",
        body=UserPatch,
        answers={200: User},
        errors=(NotFound, LastAdmin),
    ),
)
