"""Which methods a path takes: `Allow` is exact, on 405 and on OPTIONS."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from service.api import operations
from service.pages import FIXED
from service.redirects import ROUTE, SLASHED

Client = TestClient[Request, Application]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")

EXAMPLES = {"{code}": "hello", "{id}": "1"}


def declared() -> dict[str, set[str]]:
    """The methods of every path, as they are declared; HEAD comes with GET."""
    gets = (ROUTE, SLASHED, *FIXED)
    found: dict[str, set[str]] = {path: {"GET", "HEAD"} for path in gets}
    for operation in operations():
        methods = {operation.method} | ({"HEAD"} if operation.method == "GET" else set())
        found.setdefault(operation.path, set()).update(methods)
    return found


PATHS = declared()


@pytest.mark.parametrize("path", PATHS)
async def test_allow_is_exact(client: Client, path: str) -> None:
    """Every method that is not declared is 405, and `Allow` names exactly those that are."""
    for name, example in EXAMPLES.items():
        path = path.replace(name, example)
    expected = PATHS[next(each for each in PATHS if _matches(each, path))]
    for method in METHODS:
        response = await client.request(method, path)
        if method in expected:
            assert 405 != response.status, method
            assert "Allow" not in response.headers, method
        else:
            assert (405, ",".join(sorted(expected))) == (
                response.status,
                response.headers.get("Allow"),
            ), method


@pytest.mark.parametrize("path", ["/a.b", "/a.b/", "/no/such/path", "/api/v1/none"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "HEAD", "DELETE"])
async def test_a_path_without_methods_is_404(client: Client, path: str, method: str) -> None:
    """A path at which every method is refused is 404, and names none of them."""
    response = await client.request(method, path)
    assert (404, None) == (response.status, response.headers.get("Allow"))


def _matches(template: str, path: str) -> bool:
    for name, example in EXAMPLES.items():
        template = template.replace(name, example)
    return template == path
