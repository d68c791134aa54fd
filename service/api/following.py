"""`GET /{code}` as the document tells it: the one thing that is answered beside the table of operations."""

from __future__ import annotations

from service.api.answers import ANYWHERE, CACHE, HTML, Refs, headers, problems
from service.api.header import Header, Schema
from service.api.links.models import CODE, LOCATION
from service.api.site import Site
from service.errors import Gone, NotFound, TooManyRequests
from service.pages import ERRORS as PAGES

REDIRECTS = {
    301: "To the link's target, for good.",
    302: "To the link's target; the click is on disk.",
    307: "To the link's target; a form stays a form.",
    308: "To the link's target, for good; a form stays a form.",
}

VARY = Header(
    "Vary",
    "The answer is a page or a problem document, as the request's `Accept` says.",
    {"type": "string", "const": "Accept"},
)

TELLS = (LOCATION, CACHE, VARY)


def described(refs: Refs, site: Site) -> Schema:
    """Return its path, with the addresses that short links have when the API's is another one."""
    errors = (*ANYWHERE, NotFound, Gone, TooManyRequests)
    operation: Schema = {
        "operationId": "followLink",
        "summary": "Follow a short link. HEAD does not count.",
        "description": (
            "A slash at the end changes nothing. 429 is for whoever asks for too many codes that no link has, "
            "where that is limited. An error is a small HTML page for a request whose `Accept` names "
            "`text/html`, as browsers do, and prefers no JSON to it."
        ),
        "security": [],
        "parameters": [{"name": "code", "in": "path", "required": True, "schema": CODE}],
        "responses": {
            **{
                str(status): {"description": told, "headers": headers((LOCATION, CACHE))}
                for status, told in REDIRECTS.items()
            },
            **_with_pages(problems(errors, refs)),
        },
    }
    if site.links != (site.api,):
        operation["servers"] = [{"url": url} for url in site.links]
    return {"get": operation}


def _with_pages(told: Schema) -> Schema:
    """Add the page to each error that has one."""
    for status in PAGES:
        told[str(status)]["content"]["text/html"] = {
            "schema": {"type": "string"},
            "example": HTML,
        }
        told[str(status)]["headers"].update(headers([VARY]))
    return told
