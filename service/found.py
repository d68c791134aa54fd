"""The redirect itself, written in one piece."""

from __future__ import annotations

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time

from service.contract.events import RedirectCode

_FIRST = {
    301: "HTTP/1.1 301 Moved Permanently",
    302: "HTTP/1.1 302 Found",
    307: "HTTP/1.1 307 Temporary Redirect",
    308: "HTTP/1.1 308 Permanent Redirect",
}


class Found(web.StreamResponse):
    """302, or what the link says, to `location`, which must be fit for a header: see links.is_safe_location.

    aiohttp's own response is a quarter of what a redirect costs in Python: headers are collected
    in a multidict, completed, serialised and handed on by six coroutines. These never vary, so
    they are one string. Nobody can add to them but by `headers`, which are whole lines, and
    on_response_prepare is not signalled.
    """

    def __init__(self, location: str, status: RedirectCode = 302, headers: str = "") -> None:
        super().__init__(status=status)
        self._location = location
        self._first = _FIRST[status]
        self._more = headers

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the whole response. Raises ConnectionResetError when the client has gone."""
        self._writer = request.writer
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        if self._keep_alive is None:  # not so when force_close was called
            self._keep_alive = request.keep_alive
        connection = ""
        if not self._keep_alive:
            connection = "Connection: close\r\n"
        elif request.version != HttpVersion11:
            connection = "Connection: keep-alive\r\n"
        # no-store, for those that redirect for good too: one that a browser or a proxy keeps is a
        # click that nobody counts.
        # Server: without ours, aiohttp's tells its version and Python's.
        transport.write(
            (
                f"{self._first}\r\nLocation: {self._location}\r\nCache-Control: no-store\r\n"
                f"Content-Length: 0\r\nServer: everyclick\r\nDate: {rfc822_formatted_time()}\r\n"
                f"{self._more}{connection}\r\n"
            ).encode("ascii")
        )
        return self._writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Wait until a client that does not read its answers reads them: memory is bounded."""
        await self._writer.drain()
