"""POST /api/v1/links."""

from __future__ import annotations

from aiohttp import web
from psycopg import AsyncConnection

from service import links
from service.accounts import UserId
from service.api.etags import ETAG
from service.api.idempotency import KEY, REPLAYED, Kept, idempotent
from service.api.links.models import LOCATION, Link, LinkCreate, etag, link_model
from service.api.operation import CALLER, Operation
from service.bodies import json_object
from service.connections import connection
from service.errors import CodeTaken, KeyReused, Unavailable
from service.lifespan import DESTINATIONS, SETTINGS
from service.store import links as store
from service.validation import checked

TRIES = 5
"""New codes that are tried; with 55^7 of them even a second try is rare."""


async def create(request: web.Request) -> web.Response:
    """Make a link: 201; 409 when the wanted code is taken."""
    said = await json_object(request)
    owner = request[CALLER].id

    async def work(held: AsyncConnection) -> Kept:
        wanted = checked(LinkCreate, said, context=request.app[DESTINATIONS])
        link = await _made(held, wanted, owner)
        headers = {LOCATION.name: f"/api/v1/links/{link.code}", ETAG.name: etag(link)}
        return Kept.of(link_model(link, request.app[SETTINGS]), 201, headers)

    async with connection(request) as held:
        return await idempotent(held, request, owner, said, work)


async def _made(held: AsyncConnection, wanted: LinkCreate, owner: UserId) -> store.Link:
    for _ in range(TRIES if wanted.code is None else 1):
        link = await store.link_create(
            held,
            wanted.code or links.new_code(),
            wanted.url,
            owner,
            wanted.title,
            wanted.expires_at,
            wanted.redirect_code,
        )
        if link is not None:
            return link
    if wanted.code is not None:
        raise CodeTaken("Choose another code.")
    raise Unavailable("No free code was found; try again.")


CREATE = Operation(
    id="createLink",
    method="POST",
    path="/api/v1/links",
    handler=create,
    access="links:write",
    summary="Make a link. With an Idempotency-Key, the same one again when asked again.",
    body=LinkCreate,
    answers={201: Link},
    asks=(KEY,),
    tells=(LOCATION, ETAG, REPLAYED),
    errors=(CodeTaken, KeyReused),
)
