"""Where the document says that the service is."""

from __future__ import annotations

import pytest

from service.api import operations
from service.api.document import document
from service.api.site import Site, site
from service.settings import ServiceSettings

GO, LINKS = "https://go.example.com", "https://l.example.com"

SITES = {
    "nothing told": ({}, Site("/", ("/",), "everyclick_session")),
    "one host": ({"base_url": GO}, Site(GO, (GO,), "__Host-everyclick_session")),
    "links have their own": (
        {"base_url": GO, "short_url": LINKS},
        Site(GO, (LINKS, GO), "__Host-everyclick_session"),
    ),
    "only links have one": ({"short_url": LINKS}, Site("/", (LINKS, "/"), "everyclick_session")),
    "the same twice": (
        {"base_url": GO, "short_url": GO},
        Site(GO, (GO,), "__Host-everyclick_session"),
    ),
}


@pytest.mark.parametrize("told, expected", SITES.values(), ids=SITES)
def test_sites(settings: ServiceSettings, told: dict[str, str], expected: Site) -> None:
    """Addresses and cookie are those of the settings; without any, wherever one has come to."""
    assert expected == site(settings.model_copy(update=told))


def test_the_document_says_where() -> None:
    """The API is at one address, a link at each it has; the cookie has the name it has there."""
    described = document(operations(), "1", Site(GO, (LINKS, GO), "__Host-everyclick_session"))
    follow = described["paths"]["/{code}"]["get"]
    assert [{"url": GO}] == described["servers"]
    assert [{"url": LINKS}, {"url": GO}] == follow["servers"]
    assert (
        "__Host-everyclick_session" == described["components"]["securitySchemes"]["cookie"]["name"]
    )


def test_one_address_is_told_once() -> None:
    """Where links are under the API's address, nothing more is said of it."""
    assert "servers" not in document(operations(), "1", Site())["paths"]["/{code}"]["get"]
