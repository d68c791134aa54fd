"""Where the service is reached, as its document tells it."""

from __future__ import annotations

from dataclasses import dataclass

from service import cookies
from service.settings import ServiceSettings

SAME = "/"
"""Wherever the document was got from (RFC 3986, 5.2): nobody has said what we are called."""


@dataclass(frozen=True, slots=True)
class Site:
    """`api` is the address of the API, `links` those of short links, `cookie` the session's name."""

    api: str = SAME
    links: tuple[str, ...] = (SAME,)
    cookie: str = cookies.NAME


def site(settings: ServiceSettings) -> Site:
    """Return where the settings say that the service is. Links are found under the API's address too."""
    api = settings.base_url or SAME
    links = (settings.short_url, api) if settings.short_url else (api,)
    return Site(api, tuple(dict.fromkeys(links)), cookies.name(settings))
