"""The API described for programs: OpenAPI 3.1, made from the table of operations and their models. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service.api import following
from service.api.answers import GENERAL, Refs, answers
from service.api.examples import add_examples
from service.api.header import Schema
from service.api.links.models import CODE
from service.api.operation import Operation
from service.api.site import Site
from service.problem import Problem
from service.redirects import ROUTE

REF = "#/components/schemas/{model}"

DESCRIPTION = """\
Short links whose clicks are never lost. Errors are problem documents (RFC 9457) with a stable `code`. An unknown
path answers 404 (except `/`, `/robots.txt` and `/favicon.ico`), an unsupported method 405 with `Allow`.

Every GET has a HEAD with the same headers and no body. Every answer except a redirect has an `X-Request-Id`: that
of the request if it sent a valid one. `Cache-Control` is `no-store` where an operation lists no other. The security
headers that every answer has are not listed.

Authenticate with a bearer token (from `logIn` or `python -m service token`), an API key, or the cookie that `logIn`
sets. Requests that change something are refused when a browser sends them from another site.
"""

PATH: dict[str, Schema] = {
    "code": CODE,
    "id": {
        "type": "integer",
        "minimum": 1,
        "maximum": 2**63 - 1,
        "description": "Its number.",
        "examples": [2],
    },
}
"""What stands in a path, by its name."""


def document(operations: Iterable[Operation], version: str, site: Site) -> Schema:
    """Return the document; the same operations and site give the same one."""
    table = list(operations)
    refs, schemas = _schemas(table)
    paths: dict[str, Schema] = {}
    for operation in table:
        described = _operation(operation, refs)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    paths[ROUTE] = following.described(refs, site)
    told = (*GENERAL, *following.TELLS, *(each for operation in table for each in operation.tells))
    described_api: Schema = {
        "openapi": "3.1.0",
        "info": {"title": "Everyclick", "version": version, "description": DESCRIPTION},
        "servers": [{"url": site.api}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": {each.name: each.told() for each in told},
            "securitySchemes": _schemes(site),
        },
    }
    add_examples(described_api)
    return described_api


def _schemas(table: list[Operation]) -> tuple[Refs, Schema]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization")]
    for operation in table:
        if operation.body is not None:
            wanted.append((operation.body, "validation"))
        models = (each for each in operation.answers.values() if isinstance(each, type))
        wanted += [(each, "serialization") for each in models]
    wanted += [(each, "validation") for each in _parts(wanted)]
    refs, defined = models_json_schema(list(dict.fromkeys(wanted)), ref_template=REF)
    return {key: refs[key] for key in dict.fromkeys(wanted)}, defined["$defs"]


def _parts(wanted: Iterable[tuple[type[BaseModel], JsonSchemaMode]]) -> Iterator[type[BaseModel]]:
    """Yield the models that a body refers to by name alone, so that they are described too."""
    for model, _ in wanted:
        yield from getattr(model, "PARTS", ())


def _schemes(site: Site) -> Schema:
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        "token": {**bearer, "description": "A session's token."},
        "key": {
            **bearer,
            "description": "An API key; what it is asked for has to be in its scopes.",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": site.cookie,
            "description": "A session's token, as a browser keeps it.",
        },
    }


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    match operation.access:
        case "anyone":
            return []
        case "token" | "session" | "admin":
            return [{"token": []}, {"cookie": []}]
        case scope:
            return [{"token": []}, {"cookie": []}, {"key": [scope]}]


def _operation(operation: Operation, refs: Refs) -> Schema:
    described: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "security": _security(operation),
        "responses": answers(operation, refs),
    }
    match operation.access:
        case "anyone" | "session":
            pass
        case "token":
            described["description"] = "Done too when the session has ended already."
        case "admin":
            described["description"] = "For admins, with a session."
        case scope:
            described["description"] = f"An API key needs the scope `{scope}`."
    asked = (each.asked() for each in operation.asks)
    if parameters := [*_path(operation), *_query(operation), *asked]:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": refs[operation.body, "validation"]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _path(operation: Operation) -> Iterator[Schema]:
    for name, schema in PATH.items():
        if f"{{{name}}}" in operation.path:
            yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query(operation: Operation) -> Iterator[Schema]:
    if operation.query is None:
        return
    described: dict[str, Any] = operation.query.model_json_schema()
    for name, schema in described["properties"].items():
        required = name in described.get("required", ())
        yield {"name": name, "in": "query", "required": required, "schema": schema}
