"""Values checked by a model; what is wrong is told in our own words, field by field. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from service.destinations import Destinations
from service.errors import Invalid, Refused
from service.problem import FieldProblem

PROBLEMS = 20
"""Problems that one answer lists."""

SHOWN = 60
"""Characters of a wrong value that an answer repeats."""

M = TypeVar("M", bound=BaseModel)


def checked(
    model: type[M], members: object, prefix: str = "/", context: Destinations | None = None
) -> M:
    """Return the members as the model. Raises Invalid, naming each field behind `prefix`."""
    try:
        return model.model_validate(members, context=context)
    except ValidationError as error:
        details = error.errors(include_url=False)[:PROBLEMS]
        raise Invalid([_fault(model, detail, prefix) for detail in details]) from error


HINTS: Mapping[str, str] = {
    "missing": "This field is required.",
    "extra_forbidden": "This field is unknown here. Remove it, or use one of: {known}.",
    "string_type": "Use a string.",
    "string_unicode": "Remove invalid characters.",
    "int_parsing": "Use a whole number such as 10.",
    "int_parsing_size": "Use a smaller number.",
    "greater_than_equal": "Use a number of at least {ge}.",
    "less_than_equal": "Use a number of at most {le}.",
    "bool_type": "Use true or false.",
    "literal_error": "Use {expected}.",
    "datetime_type": "Use a string with a time such as 2030-01-31T12:00:00Z.",
    "list_type": "Use a list.",
    "too_short": "The list needs at least {min_length}.",
    "too_long": "The list may have at most {max_length}.",
    "model_type": "Use an object.",
}
"""What to do about each type of pydantic's errors that our models can raise."""

_ABOUT_NO_VALUE = {"missing", "extra_forbidden", "too_short", "too_long"}

_CODES = {"missing": "missing", "extra_forbidden": "unknown"}


def _fault(model: type[BaseModel], detail: ErrorDetails, prefix: str) -> FieldProblem:
    pointer = "".join(prefix + token(str(step)) for step in detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, Refused):
        hint, code = str(cause), cause.code
    else:
        known = ", ".join(each.alias or name for name, each in model.model_fields.items())
        hint = HINTS.get(kind, "Use another value.").format(known=known, **context)
        code = _CODES.get(kind, "wrong_type" if "_type" in kind else "bad_value")
    if kind not in _ABOUT_NO_VALUE and not _is_secret(model, detail["loc"]):
        hint = f"Invalid value {shown(detail['input'])}. {hint}"
    return field_problem(pointer, hint, code)


def _is_secret(model: type[BaseModel], location: tuple[int | str, ...]) -> bool:
    """Whether the field is one that is not shown: passwords and tokens have `repr=False`."""
    field = model.model_fields.get(str(location[0])) if location else None
    return field is not None and not field.repr


def shown(value: object) -> str:
    """Return a value as a message shows it: as JSON, and not all of a long one."""
    if isinstance(value, list):
        return "(a list)"
    if isinstance(value, dict):
        return "(an object)"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return text.encode(errors="replace").decode()


def field_problem(pointer: str, detail: str, code: str) -> FieldProblem:
    """Return the problem of one field."""
    # A name may have half a surrogate pair, which no answer can.
    return FieldProblem(pointer[:100].encode(errors="replace").decode(), detail, code)


def token(name: str) -> str:
    """Return the name of a member as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")  # RFC 6901, 3
