"""How an error is described to a client: a problem document (RFC 9457). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A field that cannot be accepted."""

    pointer: Annotated[
        str,
        Field(description="JSON pointer (RFC 6901), or name of a parameter.", examples=["/url"]),
    ]
    detail: Annotated[
        str,
        Field(
            description="What is wrong, and what to do about it.",
            examples=["Invalid value 42. Use a string."],
        ),
    ]
    code: Annotated[
        str, Field(description="Kind of error, for programs: stable.", examples=["wrong_type"])
    ]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(
        default="about:blank", description="Always about:blank.", examples=["about:blank"]
    )
    title: str = Field(description="Kind of error, for people.", examples=["There is nothing here"])
    status: int = Field(description="Status of the answer.", examples=[404])
    code: str = Field(description="Kind of error, for programs: stable.", examples=["not_found"])
    detail: str | None = Field(
        default=None,
        description="What happened this time, and what to do about it.",
        examples=["No link has this code."],
    )
    errors: list[FieldProblem] | None = Field(
        default=None, description="Fields that cannot be accepted.", examples=[None]
    )
    request_id: str = Field(
        description="X-Request-Id of the answer.", examples=["91343393e87d60f667a66264e50005f1"]
    )
