"""`GET /{code}`: the hot path. A 302 leaves only after its click is durably committed."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter

from aiohttp import hdrs, web

from service import headers
from service.contract.events import Click, clean_header, new_message_id
from service.contract.observations import Observer, Redirected, RedirectOutcome, RequestFailed
from service.draining import Draining
from service.errors import EveryclickError, Gone, MethodNotAllowed, NotFound, TooManyRequests
from service.found import Found
from service.links import is_code, is_safe_location
from service.misses import Misses
from service.problems import OUR_FAULT, negotiated
from service.recorder import Recorder
from service.request_ids import request_id
from service.settings import ServiceSettings

ROUTE = "/{code}"

SLASHED = "/{code}/"
"""The same: some programs add a slash to an address they are given."""

METHODS = (hdrs.METH_GET, hdrs.METH_HEAD)


class Redirects:
    """Answers codes, and for itself when something goes wrong.

    Each microsecond of this is one of every click's: what it needs it holds.
    """

    def __init__(
        self, recorder: Recorder, observe: Observer, draining: Draining, settings: ServiceSettings
    ) -> None:
        self._recorder = recorder
        self._observe = observe
        self._draining = draining
        self._headers = headers.every(settings)
        self._written = headers.redirect(settings)
        self._proxies = settings.proxies
        self._misses = Misses(settings.miss_limit) if settings.miss_limit else None

    async def redirect(self, request: web.Request) -> web.StreamResponse:
        """Answer a routed request."""
        return await self.answer(request, request.match_info["code"])

    async def answer(self, request: web.BaseRequest, code: str) -> web.StreamResponse:
        """Answer 302 to the link's target; 404 unknown, 410 not live, 503 not committed."""
        started = perf_counter()
        outcome: RedirectOutcome = "unavailable"
        try:
            resolved = None
            if is_code(code):
                click = None
                if request.method != hdrs.METH_HEAD:
                    headers = request.headers
                    click = Click(
                        new_message_id(),
                        clean_header(headers.get(hdrs.REFERER)),
                        clean_header(headers.get(hdrs.USER_AGENT)),
                    )
                resolved = await self._recorder.record(code, click)
            if resolved is None:
                outcome = "unknown"
                return self.refused(request, self._unknown(request))
            target = resolved.target
            # An unsafe target can only have been forced in by SQL; it must not become a header.
            if not resolved.live or not is_safe_location(target):
                outcome = "gone"
                return self.refused(request, Gone())
            outcome = "found"
            return self._told(Found(target, resolved.redirect_code, self._written))
        except EveryclickError as error:
            return self.refused(request, error)
        except Exception as error:  # noqa: BLE001 - the last resort: reported with its trace
            name = request_id(request)
            self._observe(RequestFailed(request.method, ROUTE, error, name))
            return self._refused(request, EveryclickError(OUR_FAULT), name)
        finally:
            self._observe(Redirected(request.method, code, outcome, perf_counter() - started))

    def refused(self, request: web.BaseRequest, error: EveryclickError) -> web.StreamResponse:
        """Return the error as the answer, with all the headers it should have."""
        return self._refused(request, error, request_id(request))

    def _refused(
        self, request: web.BaseRequest, error: EveryclickError, name: str
    ) -> web.StreamResponse:
        return self.completed(negotiated(request, error, name))

    def completed(self, response: web.Response) -> web.StreamResponse:
        """Return the response with all the headers it should have."""
        for header, value in self._headers.items():
            response.headers.setdefault(header, value)
        return self._told(response)

    def _unknown(self, request: web.BaseRequest) -> EveryclickError:
        if self._misses is not None:
            missed = self._misses.missed(self._proxies.client_of(request), datetime.now(UTC))
            if not missed.allowed:
                return TooManyRequests(
                    "Too many codes that no link has.", retry_after=missed.retry_after
                )
        return NotFound("No link has this code.")

    def _told(self, response: web.StreamResponse) -> web.StreamResponse:
        # Asked now and not when the request came: who is told nothing may send another one.
        if self._draining.begun:
            response.force_close()
        return response


async def other_method(request: web.Request) -> web.StreamResponse:
    """Refuse every method but METHODS."""
    raise refusal(request.match_info["code"])


def refusal(code: str, *, fixed: bool = False) -> EveryclickError:
    """Return the error for a method other than METHODS: 405, or 404 where no page is `fixed` and GET
    is 404 for the shape of its code.
    """
    if fixed or is_code(code):
        return MethodNotAllowed(headers={hdrs.ALLOW: ",".join(METHODS)})
    return NotFound()


REDIRECTS = web.AppKey("redirects", Redirects)
