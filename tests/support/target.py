"""A small web site of the test's own: pages to link from, and a place for links to lead to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Visit:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Site:
    """Answers 200 with the page of that path, or with a word, and remembers who came."""

    url: str
    pages: dict[str, str] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)

    def visited(self, path: str) -> list[Visit]:
        """The requests for a path, so far."""
        return [visit for visit in self.visits if visit.path == path]


@contextmanager
def site() -> Iterator[Site]:
    """Yield a site on a free port of 127.0.0.1; closed at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made := Site("")))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(made: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.visits.append(Visit(self.command, self.path, headers))
            body = made.pages.get(self.path, "arrived").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the library's naming

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
