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

from service import links, targets
from service.api.header import Header, Schema
from service.api.operation import Answer
from service.api.times import Expiry, Instant
from service.bodies import Body, Query
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
    WithJsonSchema({"type": "string", "maxLength": targets.LIMIT}),
]
CODE: Schema = {"type": "string", "pattern": f"^{links.CODE_PATTERN}$"}

Code = Annotated[str, AfterValidator(links.wanted_code), WithJsonSchema(CODE)]
Title = Annotated[str, AfterValidator(links.title)]


class LinkCreate(Body):
    """What a link is made of."""

    url: Url
    code: Code | None = None
    title: Title | None = None
    expires_at: Expiry | None = None
    redirect_code: RedirectCode = 302


def _fields_stay(schema: Schema) -> None:
    """Describe a body whose fields have no values of their own when they are not given."""
    schema["minProperties"] = 1
    for each in schema["properties"].values():
        del each["default"]


class LinkPatch(Body):
    """What is to become of a link: fields not given stay, null clears a title or an end."""

    model_config = ConfigDict(json_schema_extra=_fields_stay)

    url: Url = ""  # never kept: what counts is which fields were given
    title: Title | None = None
    expires_at: Expiry | None = None
    redirect_code: RedirectCode = 302
    disabled: bool = False

    @model_validator(mode="after")
    def _changes_something(self) -> LinkPatch:
        if not self.model_fields_set:
            raise Refused("nothing_to_change", "Give at least one field.")
        return self


class LinkQuery(Query):
    """Which links to list; `owner` is for admins."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | None = None
    owner: str | None = None


class Link(Answer):
    """A link; `owner` is an e-mail, none when nobody has it."""

    code: str
    url: str
    short_url: str
    title: str | None
    redirect_code: RedirectCode
    created_at: Instant
    expires_at: Instant | None
    disabled_at: Instant | None
    owner: str | None


class LinkList(Answer):
    """A page of links; `next` is the cursor of the one after it, none on the last."""

    links: list[Link]
    next: str | None


LOCATION = Header(
    "Location",
    "Of a new link, where the API tells it; of a short link, its target, byte for byte.",
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
