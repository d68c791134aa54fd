"""`GET /{code}` as the document tells it: the one thing that is answered beside the table of operations."""

from __future__ import annotations

from service.api.answers import ANYWHERE, CACHE, Refs, headers, problems
from service.api.header import Schema
from service.api.links.models import CODE, LOCATION
from service.api.site import Site
from service.errors import Gone, NotFound, TooManyRequests

REDIRECTS = {
    301: "To the link's target, for good.",
    302: "To the link's target; the click is on disk.",
    307: "To the link's target; a form stays a form.",
    308: "To the link's target, for good; a form stays a form.",
}

TELLS = (LOCATION, CACHE)


def described(refs: Refs, site: Site) -> Schema:
    """Return its path, with the addresses that short links have when the API's is another one."""
    errors = (*ANYWHERE, NotFound, Gone, TooManyRequests)
    operation: Schema = {
        "operationId": "followLink",
        "summary": "Follow a short link. HEAD does not count.",
        "description": "429 is for whoever asks for too many codes that no link has, where that is limited.",
        "security": [],
        "parameters": [{"name": "code", "in": "path", "required": True, "schema": CODE}],
        "responses": {
            **{
                str(status): {"description": told, "headers": headers(TELLS)}
                for status, told in REDIRECTS.items()
            },
            **problems(errors, refs),
        },
    }
    if site.links != (site.api,):
        operation["servers"] = [{"url": url} for url in site.links]
    return {"get": operation}
