"""Every validation error names the field, the value and what to do, in our own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from service.api import operations
from service.api.links.models import LinkCreate
from service.bodies import Query
from service.destinations import Destinations
from service.errors import Invalid, Refused
from service.validation import HINTS, SHOWN, checked

MODELS: list[type[BaseModel]] = sorted(
    {
        LinkCreate,
        *(each.body for each in operations() if each.body is not None),
        *(each.query for each in operations() if each.query is not None),
    },
    key=lambda model: model.__name__,
)

ANYWHERE = Destinations(own=())

WRONG: tuple[Any, ...] = (
    *(None, True, 7, -1, 0, 1.5, 10**30, 2**70, "", "x", "7", "0", "1.5", "-1", "1000", "9" * 5000),
    *(b"x", [], ["x"], [7], [None] * 1001, {}, {"a": 1}, "\ud800", "x" * 5000, "\x00", "a b"),
)

LIBRARY = ("Input should", "should be", "unable to", "got ", "Extra inputs", "Field required")
"""Words of pydantic's own messages."""


def faults(model: type[BaseModel]) -> Iterator[tuple[dict[str, Any], ValidationError]]:
    """Yield bodies of one wrong value each, and what pydantic says of them."""
    fields = [each.alias or name for name, each in model.model_fields.items()]
    values = WRONG
    bodies: list[Any] = [{}, {"\ud800": "1"}, {"surplus": "1"}]
    if issubclass(model, Query):
        values = tuple(value for value in WRONG if isinstance(value, str))
    else:
        bodies += [None, 7, "x", []]
    bodies += [{name: value} for name in fields for value in values]
    for body in bodies:
        try:
            model.model_validate(body, context=ANYWHERE)
        except ValidationError as error:
            yield body, error


def raised() -> set[str]:
    """Every type of error that a wrong value provokes in any model."""
    return {
        str(detail["type"])
        for model in MODELS
        for _, error in faults(model)
        for detail in error.errors()
        if not isinstance(detail.get("ctx", {}).get("error"), Refused)
    }


def test_every_type_of_error_has_words_of_ours() -> None:
    """Each type that our models raise is in the table, and the table has no other."""
    assert raised() == set(HINTS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_words_of_the_library_show_through(model: type[BaseModel]) -> None:
    """Every problem has a pointer into the body, and words that are not pydantic's."""
    fields = [each.alias or name for name, each in model.model_fields.items()]
    for body, error in faults(model):
        with pytest.raises(Invalid) as refused:
            checked(model, body, context=ANYWHERE)
        theirs = {str(detail["msg"]) for detail in error.errors()}
        for problem in refused.value.problems:
            assert not any(words in problem.detail for words in LIBRARY), problem
            assert not any(len(words) > 20 and words in problem.detail for words in theirs), problem
            assert problem.detail.endswith("."), problem
            names = {"", "/surplus", *(f"/{name}" for name in fields)}
            pointer = "/".join(problem.pointer.split("/")[:2])
            assert pointer in names, problem


@pytest.mark.parametrize(
    "body, pointer, told",
    [
        ({"url": 42}, "/url", "Invalid value 42. Use a string."),
        ({}, "/url", "This field is required."),
        (
            {"url": "https://a.example/", "redirect_code": 200},
            "/redirect_code",
            "Invalid value 200.",
        ),
        (
            {"url": "https://a.example/", "titel": "x"},
            "/titel",
            "Remove it, or use one of: url, code",
        ),
        ({"url": "https://a.example/", "code": "a b"}, "/code", 'Invalid value "a b". Use 1 to 64'),
        ({"url": "https://a.example/", "code": "x" * 500}, "/code", f'"{"x" * (SHOWN - 1)}…'),
    ],
)
def test_a_problem_tells_value_and_remedy(body: dict[str, Any], pointer: str, told: str) -> None:
    """The answer repeats the value, cut when it is long, and says what to send instead."""
    with pytest.raises(Invalid) as refused:
        checked(LinkCreate, body, context=ANYWHERE)
    (problem,) = refused.value.problems
    assert pointer == problem.pointer
    assert told in problem.detail


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_secrets_are_not_repeated(model: type[BaseModel]) -> None:
    """A field that is named like a secret is not shown, neither in an answer nor in a repr."""
    for name in {"password", "current", "new", "token"} & model.model_fields.keys():
        assert not model.model_fields[name].repr, name
        for value in ("hunter2", 8_675_309, "\x00hunter2-and-more"):
            with pytest.raises(Invalid) as refused:
                checked(model, {name: value}, context=ANYWHERE)
            assert "hunter2" not in str(refused.value)
            assert "8675309" not in str(refused.value)
