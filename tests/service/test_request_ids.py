"""The name of a request, in its answer and in the log."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from service.contract.observations import Observation, RequestServed

Client = TestClient[Request, Application]


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/me", "/no/such/page", "/unknown"])
@pytest.mark.parametrize("given", ["a1.B-2_c", "x" * 64])
async def test_a_name_that_was_given(
    client: Client, observed: list[Observation], path: str, given: str
) -> None:
    """It comes back, in the header and in a problem; and stands in the log line."""
    response = await client.get(path, headers={"X-Request-Id": given})
    assert given == response.headers["X-Request-Id"]
    if response.status >= 400:
        assert given == (await response.json())["request_id"]
    served = [each.request_id for each in observed if isinstance(each, RequestServed)]
    assert served in ([given], [])  # an unknown code reports as a redirect


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 65, "<script>", "a,b", "\u00e9"])
async def test_a_new_name(client: Client, given: str | None) -> None:
    """Without one that is fit there is a new one, another for each request."""
    headers = {} if given is None else {"X-Request-Id": given}
    names = set()
    for _ in range(2):
        response = await client.get("/no/such/page", headers=headers)
        name = response.headers["X-Request-Id"]
        assert name == (await response.json())["request_id"] != given
        names.add(name)
    assert 2 == len(names)
