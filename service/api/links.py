"""POST and GET /api/v1/links, and GET, PATCH and DELETE /api/v1/links/{code}."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import hdrs, web
from psycopg import AsyncConnection
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from service import links
from service.accounts import UserId, email
from service.api.operation import CALLER, Answer, Operation, respond
from service.api.ownership import coded, owned
from service.api.times import Instant
from service.bodies import Body, Query, body, query
from service.connections import connection
from service.contract.events import LinkId
from service.destinations import Destinations
from service.errors import CodeTaken, Forbidden, NotFound, Refused, Unavailable
from service.lifespan import SETTINGS
from service.settings import ServiceSettings
from service.store import links as store
from service.store.links import Link
from service.store.users import User, user_by_email

TRIES = 5
"""New codes that are tried; with 55^7 of them even a second try is rare."""


def _expiry(given: object) -> object:
    return links.expiry(given, datetime.now(UTC)) if isinstance(given, str) else given


def _target(url: str, info: ValidationInfo) -> str:
    # Whoever validates a body says where links may lead: nothing is allowed by having forgotten to.
    if not isinstance(info.context, Destinations):
        raise TypeError("no Destinations to check against")
    return info.context.checked(url)


Url = Annotated[str, AfterValidator(_target)]
Title = Annotated[str, AfterValidator(links.title)]
Expiry = Annotated[datetime, BeforeValidator(_expiry)]


class NewLink(Body):
    """What a link is made of."""

    url: Url
    code: Annotated[str, AfterValidator(links.wanted_code)] | None = None
    title: Title | None = None
    expires_at: Expiry | None = None


class Change(Body):
    """What is to become of a link: fields not given stay, null clears a title or an end."""

    url: Url = ""  # never kept: what counts is which fields were given
    title: Title | None = None
    expires_at: Expiry | None = None
    disabled: bool = False

    @model_validator(mode="after")
    def _changes_something(self) -> Change:
        if not self.model_fields_set:
            raise Refused("nothing_to_change", "Give at least one field.")
        return self


class Page(Query):
    """Which links to list; `owner` is for admins."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | None = None
    owner: str | None = None


class Shown(Answer):
    """A link; `owner` is an e-mail, none when nobody has it."""

    code: str
    url: str
    short_url: str
    title: str | None
    created_at: Instant
    expires_at: Instant | None
    disabled_at: Instant | None
    owner: str | None


class Listed(Answer):
    """A page of links; `next` is the cursor of the one after it, none on the last."""

    links: list[Shown]
    next: str | None


async def create(request: web.Request) -> web.Response:
    """Make a link: 201; 409 when the wanted code is taken."""
    user = request[CALLER]
    wanted = await body(request, NewLink)
    async with connection(request) as held:
        link = await _created(held, wanted, user.id)
    return respond(
        _shown(link, request.app[SETTINGS]),
        status=201,
        headers={hdrs.LOCATION: f"/api/v1/links/{link.code}"},
    )


async def listing(request: web.Request) -> web.Response:
    """List one's own links, newest first; an admin lists anybody's, or all."""
    user = request[CALLER]
    page = query(request, Page)
    below = LinkId(int(page.cursor)) if page.cursor else store.NEWEST
    async with connection(request) as held:
        # One more than asked for tells whether there is a next page.
        found = await _found(held, page, user, below, page.limit + 1)
    shown = found[: page.limit]
    settings = request.app[SETTINGS]
    return respond(
        Listed(
            links=[_shown(link, settings) for link in shown],
            next=str(shown[-1].id) if len(found) > page.limit else None,
        )
    )


async def read(request: web.Request) -> web.Response:
    """Return a link of one's own; an admin's are all."""
    code = coded(request)
    user = request[CALLER]
    async with connection(request) as held:
        link = owned(await store.link_by_code(held, code), user)
    return respond(_shown(link, request.app[SETTINGS]))


async def change(request: web.Request) -> web.Response:
    """Change a link and return it as it is now."""
    code = coded(request)
    user = request[CALLER]
    wanted = await body(request, Change)
    async with connection(request) as held, held.transaction():
        link = owned(await store.link_lock(held, code), user)
        changed = _changed(link, wanted, datetime.now(UTC))
        await store.link_update(held, changed)
    return respond(_shown(changed, request.app[SETTINGS]))


async def delete(request: web.Request) -> web.Response:
    """Remove a link at once; its clicks follow: 204."""
    code = coded(request)
    user = request[CALLER]
    async with connection(request) as held:
        link = owned(await store.link_by_code(held, code), user)
        if not await store.link_delete(held, link.id):
            raise NotFound("No link has this code.")
    return web.Response(status=204)


async def _created(held: AsyncConnection, wanted: NewLink, owner: UserId) -> Link:
    for _ in range(TRIES if wanted.code is None else 1):
        link = await store.link_create(
            held,
            wanted.code or links.new_code(),
            wanted.url,
            owner,
            wanted.title,
            wanted.expires_at,
        )
        if link is not None:
            return link
    if wanted.code is not None:
        raise CodeTaken("Choose another code.")
    raise Unavailable("No free code was found; try again.")


async def _found(
    held: AsyncConnection, page: Page, user: User, below: LinkId, limit: int
) -> list[Link]:
    if page.owner is None:
        return await store.links_of_owner(held, user.id, below, limit)
    if user.role != "admin":
        raise Forbidden("Only an admin may list the links of others.")
    if page.owner == "all":
        return await store.links_all(held, below, limit)
    try:
        owner = await user_by_email(held, email(page.owner))
    except Refused:
        owner = None
    return [] if owner is None else await store.links_of_owner(held, owner.id, below, limit)


def _changed(link: Link, wanted: Change, now: datetime) -> Link:
    given = wanted.model_fields_set
    if "url" in given:
        link = replace(link, target=wanted.url)
    if "title" in given:
        link = replace(link, title=wanted.title)
    if "expires_at" in given:
        link = replace(link, expires_at=wanted.expires_at)
    if "disabled" in given:
        link = replace(link, disabled_at=(link.disabled_at or now) if wanted.disabled else None)
    return link


def _shown(link: Link, settings: ServiceSettings) -> Shown:
    return Shown(
        code=link.code,
        url=link.target,
        # From the settings only: what a client writes into Host must not end up in a link.
        short_url=f"{settings.link_url}/{link.code}",
        title=link.title,
        created_at=link.created_at,
        expires_at=link.expires_at,
        disabled_at=link.disabled_at,
        owner=link.owner,
    )


OPERATIONS = (
    Operation(
        id="createLink",
        method="POST",
        path="/api/v1/links",
        handler=create,
        access="links:write",
        summary="Make a link.",
        body=NewLink,
        answers={201: Shown},
        errors=(CodeTaken,),
    ),
    Operation(
        id="listLinks",
        method="GET",
        path="/api/v1/links",
        handler=listing,
        access="links:read",
        summary="List links, newest first.",
        query=Page,
        answers={200: Listed},
    ),
    Operation(
        id="getLink",
        method="GET",
        path="/api/v1/links/{code}",
        handler=read,
        access="links:read",
        summary="Return a link.",
        answers={200: Shown},
        errors=(NotFound,),
    ),
    Operation(
        id="changeLink",
        method="PATCH",
        path="/api/v1/links/{code}",
        handler=change,
        access="links:write",
        summary="Change a link; fields not given stay.",
        body=Change,
        answers={200: Shown},
        errors=(NotFound,),
    ),
    Operation(
        id="deleteLink",
        method="DELETE",
        path="/api/v1/links/{code}",
        handler=delete,
        access="links:write",
        summary="Remove a link at once; its clicks follow.",
        answers={204: None},
        errors=(NotFound,),
    ),
)
