"""GET /api/v1/links and /api/v1/links/{code}."""

from __future__ import annotations

from aiohttp import web
from psycopg import AsyncConnection

from service.accounts import email
from service.api.etags import ETAG, IF_NONE_MATCH, is_known
from service.api.links.models import Link, LinkList, LinkQuery, etag, link_model
from service.api.operation import CALLER, Operation, respond
from service.api.ownership import coded, owned
from service.api.paging import LINK, next_link
from service.bodies import query
from service.connections import connection
from service.contract.events import LinkId
from service.errors import Forbidden, NotFound, Refused
from service.lifespan import SETTINGS
from service.store import links as store
from service.store.users import User, user_by_email


async def listing(request: web.Request) -> web.Response:
    """List one's own links, newest first; an admin lists anybody's, or all."""
    page = query(request, LinkQuery)
    below = LinkId(int(page.cursor)) if page.cursor else store.NEWEST
    async with connection(request) as held:
        # One more than asked for tells whether there is a next page.
        found = await _found(held, page, request[CALLER], below, page.limit + 1)
    listed = found[: page.limit]
    settings = request.app[SETTINGS]
    following = str(listed[-1].id) if len(found) > page.limit else None
    return respond(
        LinkList(links=[link_model(link, settings) for link in listed], next=following),
        headers=next_link("/api/v1/links", page, following),
    )


async def read(request: web.Request) -> web.Response:
    """Return a link of one's own; an admin's are all. 304 to who knows it as it is."""
    code = coded(request)
    async with connection(request) as held:
        link = owned(await store.link_by_code(held, code), request[CALLER])
    tag = etag(link)
    headers = {ETAG.name: tag}
    if is_known(request, tag):
        return web.Response(status=304, headers=headers)
    return respond(link_model(link, request.app[SETTINGS]), headers=headers)


async def _found(
    held: AsyncConnection, page: LinkQuery, user: User, below: LinkId, limit: int
) -> list[store.Link]:
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


OPERATIONS = (
    Operation(
        id="listLinks",
        method="GET",
        path="/api/v1/links",
        handler=listing,
        access="links:read",
        summary="List links, newest first; a Link header leads to the next page.",
        query=LinkQuery,
        answers={200: LinkList},
        tells=(LINK,),
        errors=(Forbidden,),
    ),
    Operation(
        id="getLink",
        method="GET",
        path="/api/v1/links/{code}",
        handler=read,
        access="links:read",
        summary="Return a link, with the ETag of its state.",
        answers={200: Link, 304: None},
        asks=(IF_NONE_MATCH,),
        tells=(ETAG,),
        errors=(Forbidden, NotFound),
    ),
)
