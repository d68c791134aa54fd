"""What many links at once look like on their way in and out."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from service.api.links.models import Link, LinkCreate
from service.api.operation import Answer
from service.bodies import Body
from service.problem import FieldProblem

MOST = 1000
"""Links in one call."""


class LinkBulkCreate(Body):
    """New links. Each has a result of its own: an error in one does not affect the others."""

    PARTS: ClassVar = (LinkCreate,)

    links: Annotated[
        list[Any],
        Field(min_length=1, max_length=MOST, description="Links to create."),
        WithJsonSchema(
            {
                "type": "array",
                "items": {"$ref": "#/components/schemas/LinkCreate"},
                "minItems": 1,
                "maxItems": MOST,
            }
        ),
    ]


class LinkRefused(Answer):
    """A link that was not created, and why."""

    status: Literal[409, 422, 503] = Field(
        description="Status that a call for this link alone would have.", examples=[409]
    )
    code: str = Field(description="Code of the error, for programs.", examples=["code_taken"])
    detail: str = Field(description="What happened.", examples=["Choose another code."])
    errors: list[FieldProblem] = Field(
        description="Its fields with errors; pointers are into the body of the call."
    )


class LinkCreated(Answer):
    """A link that was created."""

    status: Literal[201] = Field(default=201, description="Created.", examples=[201])
    link: Link = Field(description="The link.")


class LinkBulkResults(Answer):
    """A result for each link."""

    created: int = Field(description="How many links were created.", examples=[1])
    results: list[LinkCreated | LinkRefused] = Field(
        description="A result for each link of the call, in the same order."
    )
