"""The document's examples: one for each parameter and body, valid, and usable as they are."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from service.api import operations
from service.api.document import document
from service.api.examples import TAGS, curl_line, example_of, tag_of
from service.api.reference import reference
from service.api.site import site
from service.settings import ServiceSettings

API = document(operations(), "1", site(ServiceSettings()))
OPERATIONS = [
    (method, path, operation)
    for path, methods in API["paths"].items()
    for method, operation in methods.items()
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]

each_operation = pytest.mark.parametrize("method, path, operation", OPERATIONS, ids=IDS)


def allowed(schema: dict[str, Any], value: object) -> bool:
    """Whether the value is what the schema describes."""
    return bool(Draft202012Validator({**schema, "components": API["components"]}).is_valid(value))


@each_operation
def test_each_parameter_is_explained(method: str, path: str, operation: dict[str, Any]) -> None:
    """With a description, and an example that is allowed."""
    for each in operation.get("parameters", ()):
        assert each["description"], each["name"]
        assert allowed(each["schema"], each["example"]), each["name"]


@each_operation
def test_each_body_has_an_example(method: str, path: str, operation: dict[str, Any]) -> None:
    """That of the request and those of the answers are what their schemas describe."""
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        for media, content in holder.get("content", {}).items():
            assert allowed(content["schema"], content["example"]), media


@each_operation
def test_each_error_has_its_own_example(method: str, path: str, operation: dict[str, Any]) -> None:
    """Its status is that of the answer, its code one that the answer's description names."""
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/problem+json")
        if content is not None:
            assert int(status) == content["example"]["status"]
            assert f"`{content['example']['code']}`" in answer["description"]


def test_each_field_is_explained() -> None:
    """Every field of every schema has a description, its own or that of the schema it refers to."""
    for name, schema in API["components"]["schemas"].items():
        for field, part in schema.get("properties", {}).items():
            assert "description" in part or "$ref" in part, f"{name}.{field}"


def test_the_page_names_an_address() -> None:
    """Its commands work in a shell where no address is configured as well."""
    page = reference(operations(), site(ServiceSettings())).page.body.decode()
    (base,) = re.findall(r"BASE=(.*)", page)
    assert re.fullmatch(r"https?://[\w.:-]+", base)


@each_operation
def test_each_command_names_its_operation(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    """A shell reads it as one request: no place of the path is left open, the token is sent."""
    words = shlex.split(curl_line(API, method, path))
    assert "curl" == words[0]
    assert words[-1].startswith("$BASE/")
    assert "{" not in words[-1]
    assert (method.upper() in words) is (method != "get")
    assert ("Authorization: Bearer $TOKEN" in words) is bool(operation.get("security"))


def test_groups() -> None:
    """Each operation is in one group, and no group is empty."""
    assert {tag for *_, each in OPERATIONS for tag in each["tags"]} == set(TAGS.values())
    assert "Links" == tag_of("/api/v1/links/bulk")
    assert "Redirects" == tag_of("/{code}")


def test_an_example_is_made_of_its_parts() -> None:
    """Named ones first, then what the schema fixes, then a value of its type."""
    schemas = {
        "Day": {"properties": {"day": {"examples": ["2026-11-24"]}, "clicks": {"type": "integer"}}}
    }
    many = {"type": "array", "items": {"$ref": "#/components/schemas/Day"}}
    assert [{"day": "2026-11-24", "clicks": 1}] == example_of(many, schemas)
    assert None is example_of({"anyOf": [{"type": "null"}, {"type": "string"}]}, {})
