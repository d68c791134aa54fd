"""PATCH and DELETE /api/v1/links/{code}."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from aiohttp import web

from service.api.etags import ETAG, IF_MATCH, check_match
from service.api.links.models import Link, LinkPatch, etag, link_model
from service.api.operation import CALLER, Operation, respond
from service.api.ownership import coded, owned
from service.bodies import body
from service.connections import connection
from service.errors import Forbidden, NotFound, PreconditionFailed
from service.lifespan import SETTINGS
from service.store import links as store


async def change(request: web.Request) -> web.Response:
    """Change a link and return it as it is now; 412 when it is not in the state of If-Match."""
    code = coded(request)
    wanted = await body(request, LinkPatch)
    async with connection(request) as held, held.transaction():
        link = owned(await store.link_lock(held, code), request[CALLER])
        check_match(request, etag(link))
        changed = await store.link_update(held, _changed(link, wanted, datetime.now(UTC)))
    return respond(link_model(changed, request.app[SETTINGS]), headers={ETAG.name: etag(changed)})


async def delete(request: web.Request) -> web.Response:
    """Remove a link at once; its clicks follow: 204; 412 when it is not in the state of If-Match."""
    code = coded(request)
    async with connection(request) as held, held.transaction():
        link = owned(await store.link_lock(held, code), request[CALLER])
        check_match(request, etag(link))
        await store.link_delete(held, link.id)
    return web.Response(status=204)


def _changed(link: store.Link, wanted: LinkPatch, now: datetime) -> store.Link:
    given = wanted.model_fields_set
    if "url" in given:
        link = replace(link, target=wanted.url)
    if "title" in given:
        link = replace(link, title=wanted.title)
    if "expires_at" in given:
        link = replace(link, expires_at=wanted.expires_at)
    if "redirect_code" in given:
        link = replace(link, redirect_code=wanted.redirect_code)
    if "disabled" in given:
        link = replace(link, disabled_at=(link.disabled_at or now) if wanted.disabled else None)
    return link


OPERATIONS = (
    Operation(
        id="changeLink",
        method="PATCH",
        path="/api/v1/links/{code}",
        handler=change,
        access="links:write",
        summary="Change a link; fields not given stay. With If-Match only in the state that is known.",
        body=LinkPatch,
        answers={200: Link},
        asks=(IF_MATCH,),
        tells=(ETAG,),
        errors=(Forbidden, NotFound, PreconditionFailed),
    ),
    Operation(
        id="deleteLink",
        method="DELETE",
        path="/api/v1/links/{code}",
        handler=delete,
        access="links:write",
        summary="Remove a link at once; its clicks follow. With If-Match only in the state that is known.",
        answers={204: None},
        asks=(IF_MATCH,),
        errors=(Forbidden, NotFound, PreconditionFailed),
    ),
)
