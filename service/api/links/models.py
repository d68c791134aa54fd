"""What a link looks like on its way in and out."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from service import links, targets, texts
from service.api.header import Header, Schema
from service.api.operation import Answer
from service.api.paging import CURSOR, LIMIT, NEXT, Cursor, Limit
from service.api.times import CREATED_AT, Expiry, Instant
from service.bodies import Body, Query, fields_stay
from service.contract.events import RedirectCode
from service.destinations import Destinations
from service.errors import Refused
from service.settings import ServiceSettings
from service.store import links as store


def _target(url: str, info: ValidationInfo) -> str:
    # Whoever validates a body says where links may lead: nothing is allowed by having forgotten to.
    if not isinstance(info.context, Destinations):
        raise TypeError("no Destinations to check against")
    return info.context.checked(url)


Url = Annotated[
    str,
    AfterValidator(_target),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{targets.PATTERN}$", "maxLength": targets.LIMIT}
    ),
]
CODE: Schema = {
    "type": "string",
    "pattern": f"^{links.CODE_PATTERN}$",
    "description": "The link's code.",
    "examples": ["launch"],
}

Code = Annotated[str, AfterValidator(links.wanted_code), WithJsonSchema(CODE)]
Title = Annotated[
    str,
    AfterValidator(links.title),
    WithJsonSchema(
        {"type": "string", "pattern": texts.line_pattern(links.TITLE_LIMIT, blank=True)}
    ),
]


TARGET = Field(
    description="Target of the link: an http or https address.", examples=["https://example.com/"]
)

TITLE = f"Title for people, at most {links.TITLE_LIMIT} characters on one line."

EXPIRY = "When the link expires: a time in the future with its zone. Null: never."

REDIRECT = "Status of the redirect."

LATER = "2040-01-31T12:00:00Z"


class LinkCreate(Body):
    """A new link."""

    url: Url = TARGET
    code: Code | None = Field(
        default=None,
        description="Code of the link. Null: a random one of 7 characters.",
        examples=["launch"],
    )
    title: Title | None = Field(default=None, description=TITLE, examples=["Launch"])
    expires_at: Expiry | None = Field(default=None, description=EXPIRY, examples=[LATER])
    redirect_code: RedirectCode = Field(default=302, description=REDIRECT, examples=[302])


class LinkPatch(Body):
    """Changes to a link: fields that are not given stay; null removes a title or an expiry."""

    model_config = ConfigDict(json_schema_extra=fields_stay)

    # The defaults are never kept: what counts is which fields were given.
    url: Url = Field(default="", description="The new target.", examples=["https://example.com/"])
    title: Title | None = Field(default=None, description=TITLE, examples=["Launch day"])
    expires_at: Expiry | None = Field(default=None, description=EXPIRY, examples=[LATER])
    redirect_code: RedirectCode = Field(default=302, description=REDIRECT, examples=[302])
    disabled: bool = Field(
        default=False, description="True: the link answers 410 from now on.", examples=[False]
    )

    @model_validator(mode="after")
    def _changes_something(self) -> LinkPatch:
        if not self.model_fields_set:
            raise Refused("nothing_to_change", "Give at least one field.")
        return self


class LinkQuery(Query):
    """Which links to list."""

    limit: Limit = LIMIT
    cursor: Cursor | None = CURSOR
    owner: str | None = Field(
        default=None,
        description="For admins: e-mail address of another owner, or `all`.",
        examples=["all"],
    )


class Link(Answer):
    """A link."""

    code: str = Field(description="Code of the link.", examples=["launch"])
    url: str = TARGET
    short_url: str = Field(
        description="Address of the short link.", examples=["https://go.example/launch"]
    )
    title: str | None = Field(description="Title for people.", examples=["Launch"])
    redirect_code: RedirectCode = Field(description=REDIRECT, examples=[302])
    created_at: Instant = CREATED_AT
    expires_at: Instant | None = Field(description="When it expires. Null: never.", examples=[None])
    disabled_at: Instant | None = Field(description="When it was disabled.", examples=[None])
    owner: str | None = Field(
        description="E-mail address of its owner, if it has one.", examples=["ada@example.com"]
    )


class LinkList(Answer):
    """A page of links."""

    links: list[Link] = Field(description="Links, newest first.")
    next: str | None = NEXT


LOCATION = Header(
    "Location",
    "Of something new, its path in the API; of a short link, its target, byte for byte.",
    {"type": "string"},
    always=True,
)


def etag(link: store.Link) -> str:
    """Return the strong ETag of a link: another one for each change, and for each link of its code."""
    return f'"{link.id}.{link.version}"'


def link_model(link: store.Link, settings: ServiceSettings) -> Link:
    """Return the link as it is answered."""
    return Link(
        code=link.code,
        url=link.target,
        # From the settings only: what a client writes into Host must not end up in a link.
        short_url=f"{settings.link_url}/{link.code}",
        title=link.title,
        redirect_code=link.redirect_code,
        created_at=link.created_at,
        expires_at=link.expires_at,
        disabled_at=link.disabled_at,
        owner=link.owner,
    )
