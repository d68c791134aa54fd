"""`GET /{code}`: the hot path. A 302 leaves only after its click is durably committed."""

from __future__ import annotations

from time import perf_counter

from aiohttp import hdrs, web

from service.contract.events import Click, clean_header, new_message_id
from service.contract.observations import Redirected, RedirectOutcome
from service.contract.outbox import Resolved
from service.errors import Gone, NotFound
from service.lifespan import OBSERVE, RECORDER
from service.links import is_code, is_safe_location

HEADERS = {
    # A redirect that a browser or a proxy keeps is a click that nobody counts.
    hdrs.CACHE_CONTROL: "no-store",
    # Set here because aiohttp otherwise tells its own version and Python's.
    hdrs.SERVER: "everyclick",
}


async def redirect(request: web.Request) -> web.Response:
    """Answer 302 to the link's target; 404 unknown, 410 expired or disabled, 503 not committed."""
    started = perf_counter()
    code = request.match_info["code"]
    outcome: RedirectOutcome = "unavailable"
    try:
        resolved = await _resolve(request, code)
        if resolved is None:
            outcome = "unknown"
            raise NotFound("No link has this code.")
        # An unsafe target can only have been forced in by SQL; it must not become a header.
        if not resolved.live or not is_safe_location(resolved.target):
            outcome = "gone"
            raise Gone
        outcome = "found"
        return web.Response(status=302, headers={hdrs.LOCATION: resolved.target, **HEADERS})
    finally:
        request.app[OBSERVE](Redirected(request.method, code, outcome, perf_counter() - started))


async def _resolve(request: web.Request, code: str) -> Resolved | None:
    if not is_code(code):
        return None
    click = None
    if request.method != hdrs.METH_HEAD:
        headers = request.headers
        click = Click(
            new_message_id(),
            clean_header(headers.get(hdrs.REFERER)),
            clean_header(headers.get(hdrs.USER_AGENT)),
        )
    return await request.app[RECORDER].record(code, click)
