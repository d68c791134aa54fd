"""POST /api/v1/links/bulk: up to a thousand links in one call, each with a result of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from aiohttp import web
from psycopg import AsyncConnection

from service import links
from service.accounts import UserId
from service.api.idempotency import KEY, REPLAYED, Kept, idempotent
from service.api.links.bulk_models import LinkBulkCreate, LinkBulkResults, LinkCreated, LinkRefused
from service.api.links.making import TRIES
from service.api.links.models import LinkCreate, link_model
from service.api.operation import CALLER, Operation
from service.bodies import json_object
from service.connections import connection
from service.destinations import Destinations
from service.errors import CodeTaken, EveryclickError, Invalid, KeyReused, Unavailable
from service.lifespan import DESTINATIONS, SETTINGS
from service.problem import FieldProblem
from service.store import links as store
from service.validation import checked

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of such a call: a thousand of the longest targets and titles."""

AT_ONCE = 50
"""Links that are checked before redirects get their turn again."""


async def create(request: web.Request) -> web.Response:
    """Make many links: 200, whatever became of each."""
    said = await json_object(request, BODY_LIMIT)
    owner = request[CALLER].id

    async def work(held: AsyncConnection) -> Kept:
        wanted = checked(LinkBulkCreate, said)
        found = await _made(held, owner, await _checked(wanted.links, request.app[DESTINATIONS]))
        settings = request.app[SETTINGS]
        results = [
            LinkCreated(link=link_model(each, settings))
            if isinstance(each, store.Link)
            else _refusal(each)
            for each in found
        ]
        created = sum(isinstance(each, LinkCreated) for each in results)
        return Kept.of(LinkBulkResults(created=created, results=results), 200)

    async with connection(request) as held:
        return await idempotent(held, request, owner, said, work)


async def _checked(
    items: Sequence[object], destinations: Destinations
) -> list[LinkCreate | EveryclickError]:
    """Check each item; of those that want the same code the first may have it."""
    found: list[LinkCreate | EveryclickError] = []
    codes: set[str] = set()
    for number, item in enumerate(items):
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            wanted = checked(LinkCreate, item, context=destinations)
        except Invalid as error:
            found.append(Invalid([_inside(number, problem) for problem in error.problems]))
            continue
        if wanted.code is not None and wanted.code in codes:
            found.append(_taken(number))
        else:
            codes.update({wanted.code} if wanted.code else ())
            found.append(wanted)
    return found


async def _made(
    held: AsyncConnection, owner: UserId, items: Sequence[LinkCreate | EveryclickError]
) -> list[store.Link | EveryclickError]:
    """Make the links, drawing new codes for those whose random one was taken."""
    made: dict[int, store.Link] = {}
    wanted = {n: item for n, item in enumerate(items) if isinstance(item, LinkCreate)}
    waiting = dict(wanted)
    for _ in range(TRIES):
        if not waiting:
            break
        codes = _coded(waiting)
        rows = [_row(code, waiting[number]) for code, number in codes.items()]
        for link in await store.links_create(held, owner, rows):
            made[codes[link.code]] = link
        # A code that was wished for and is taken will be taken the next time too.
        waiting = {n: item for n, item in wanted.items() if n not in made and item.code is None}
    return [_result(number, item, made) for number, item in enumerate(items)]


def _coded(waiting: Mapping[int, LinkCreate]) -> dict[str, int]:
    """A code for each item, and which one it is for."""
    codes = {item.code: number for number, item in waiting.items() if item.code is not None}
    for number, item in waiting.items():
        if item.code is None:
            while (code := links.new_code()) in codes:
                pass
            codes[code] = number
    return codes


def _row(code: str, item: LinkCreate) -> store.NewRow:
    return store.NewRow(code, item.url, item.title, item.expires_at, item.redirect_code)


def _result(
    number: int, item: LinkCreate | EveryclickError, made: Mapping[int, store.Link]
) -> store.Link | EveryclickError:
    if isinstance(item, EveryclickError):
        return item
    if number in made:
        return made[number]
    return (
        Unavailable("No free code was found; try again.") if item.code is None else _taken(number)
    )


def _taken(number: int) -> CodeTaken:
    error = CodeTaken("Choose another code.")
    error.problems = (FieldProblem(f"/links/{number}/code", error.detail, error.code),)
    return error


def _inside(number: int, problem: FieldProblem) -> FieldProblem:
    return FieldProblem(f"/links/{number}{problem.pointer}", problem.detail, problem.code)


def _refusal(error: EveryclickError) -> LinkRefused:
    return LinkRefused.model_validate(
        {
            "status": error.status,
            "code": error.code,
            "detail": error.detail or str(error),
            "errors": list(error.problems),
        }
    )


CREATE = Operation(
    id="createLinks",
    method="POST",
    path="/api/v1/links/bulk",
    handler=create,
    access="links:write",
    summary="Make up to 1,000 links; each has a result of its own, in the order of the call.",
    body=LinkBulkCreate,
    answers={200: LinkBulkResults},
    asks=(KEY,),
    tells=(REPLAYED,),
    errors=(KeyReused,),
)
