"""The session's cookie."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from service import cookies
from service.settings import ServiceSettings

HTTP = ServiceSettings(base_url="http://app.example")
HTTPS = ServiceSettings(base_url="https://app.example")


def attributes(response: web.Response) -> tuple[str, set[str]]:
    """Name and attributes of the only cookie that a response sets."""
    (morsel,) = response.cookies.values()
    _, *told = morsel.OutputString().split("; ")
    return morsel.key, set(told)


def test_over_https_it_is_this_host_s_alone() -> None:
    """By TLS only, for this host only, out of reach for scripts and other sites' requests."""
    response = web.Response()
    cookies.keep(response, HTTPS, "token", seconds=60)
    told = {"HttpOnly", "Max-Age=60", "Path=/", "SameSite=Lax", "Secure"}
    assert ("__Host-everyclick_session", told) == attributes(response)


def test_over_http_it_is_a_plain_one() -> None:
    """Browsers refuse the prefix without TLS."""
    response = web.Response()
    cookies.keep(response, HTTP, "token", seconds=60)
    told = {"HttpOnly", "Max-Age=60", "Path=/", "SameSite=Lax"}
    assert ("everyclick_session", told) == attributes(response)


def test_it_is_removed_as_it_was_set() -> None:
    """A browser heeds a removal of a __Host- cookie only when that is fit for one."""
    response = web.Response()
    cookies.forget(response, HTTPS)
    name, told = attributes(response)
    assert "__Host-everyclick_session" == name
    assert {"Max-Age=0", "Path=/", "Secure"} <= told


@pytest.mark.parametrize(
    "lines, expected",
    [
        ([], None),
        ([""], None),
        (["everyclick_session=a.b-c_d"], "a.b-c_d"),
        (["x=1; everyclick_session=abc ;y"], "abc"),
        (["x=1", "everyclick_session=abc"], "abc"),
        (["everyclick_session=abc; everyclick_session=def"], None),
        (["everyclick_session=abc", "everyclick_session=abc"], None),
        (["Everyclick_Session=abc"], None),
        (["xeveryclick_session=abc"], None),
        (["everyclick_session"], ""),
        (["__Host-everyclick_session=abc"], None),
        (['everyclick_session="abc"'], "abc"),
    ],
)
def test_it_is_read(lines: list[str], expected: str | None) -> None:
    """By its name alone; of two nobody knows which is ours."""
    headers = CIMultiDict([("Cookie", line) for line in lines])
    assert expected == cookies.kept(make_mocked_request("GET", "/", headers), HTTP)


def test_over_https_the_plain_one_is_none() -> None:
    """A sibling, or somebody in between without TLS, can set that one."""
    headers = {"Cookie": "everyclick_session=theirs; __Host-everyclick_session=ours"}
    assert "ours" == cookies.kept(make_mocked_request("GET", "/", headers), HTTPS)


def test_bad_cookies_are_no_matter(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand that no browser sends are not worth a line each, nor one."""
    bad = "; ".join(f"a@{number}=\x7f" for number in range(1000))
    request = make_mocked_request("GET", "/", {"Cookie": f"{bad}; everyclick_session=abc"})
    assert "abc" == cookies.kept(request, HTTP)
    assert [] == caplog.records
