"""The API described for programs: OpenAPI 3.1, made from the table of operations and their models. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service.api.operation import Operation
from service.errors import (
    CrossSite,
    EveryclickError,
    Forbidden,
    Gone,
    Invalid,
    Malformed,
    NotFound,
    ScopeMissing,
    TooLarge,
    TooManyRequests,
    TooSlow,
    Unauthenticated,
    Unavailable,
    UnsupportedType,
)
from service.problems import ProblemDocument

Schema = dict[str, Any]

REF = "#/components/schemas/{model}"

DESCRIPTION = """\
Short links that never lose a click. Errors are problem documents (RFC 9457) with a stable `code`; every
answer has an `X-Request-Id`, the one that was sent along if there was one.

Who asks is told by a bearer token, from `logIn` or `python -m service token`, by an API key, or by the
cookie that `logIn` sets. What changes something is refused when a browser sends it from another site.
"""

CODE: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}

PATH: dict[str, Schema] = {
    "code": CODE,
    "id": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
}
"""What stands in a path, by its name."""

REDIRECTS = {
    301: "To the link's target, for good.",
    302: "To the link's target; the click is on disk.",
    307: "To the link's target; a form stays a form.",
    308: "To the link's target, for good; a form stays a form.",
}


def document(operations: Iterable[Operation], version: str) -> Schema:
    """Return the document; the same operations give the same one."""
    table = list(operations)
    refs, schemas = _schemas(table)
    paths: dict[str, Schema] = {}
    for operation in table:
        described = _operation(operation, refs)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    paths["/{code}"] = {"get": _follow(refs)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Everyclick", "version": version, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-everyclick_session"},
            },
        },
    }


Refs = dict[tuple[type[BaseModel], JsonSchemaMode], Schema]


def _schemas(table: list[Operation]) -> tuple[Refs, Schema]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ProblemDocument, "serialization")]
    for operation in table:
        if operation.body is not None:
            wanted.append((operation.body, "validation"))
        wanted += [(each, "serialization") for each in operation.answers.values() if each]
    wanted += [(each, "validation") for each in _parts(wanted)]
    refs, defined = models_json_schema(list(dict.fromkeys(wanted)), ref_template=REF)
    return {key: refs[key] for key in dict.fromkeys(wanted)}, defined["$defs"]


def _parts(wanted: Iterable[tuple[type[BaseModel], JsonSchemaMode]]) -> Iterator[type[BaseModel]]:
    """Yield the models that a body refers to by name alone, so that they are described too."""
    for model, _ in wanted:
        yield from getattr(model, "PARTS", ())


def _operation(operation: Operation, refs: Refs) -> Schema:
    described: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "security": [] if operation.access == "anyone" else [{"token": []}, {"cookie": []}],
        "responses": {
            **{str(status): _answer(model, refs) for status, model in operation.answers.items()},
            **_problems(_errors(operation), refs),
        },
    }
    if operation.access not in {"anyone", "session"}:
        described["description"] = f"An API key needs the scope `{operation.access}`."
    if parameters := [*_path(operation), *_query(operation)]:
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
    described = operation.query.model_json_schema()
    for name, schema in described["properties"].items():
        required = name in described.get("required", ())
        yield {"name": name, "in": "query", "required": required, "schema": schema}


def _answer(model: type[BaseModel] | None, refs: Refs) -> Schema:
    if model is None:
        return {"description": "Done; nothing to tell."}
    summary = (model.__doc__ or model.__name__).split("\n")[0]
    content = {"application/json": {"schema": refs[model, "serialization"]}}
    return {"description": summary, "content": content}


def _errors(operation: Operation) -> Iterator[type[EveryclickError]]:
    """Yield what may go wrong with an operation of this kind, then what may with this one."""
    if operation.access != "anyone":
        yield from (Unauthenticated, Forbidden, ScopeMissing, TooManyRequests)
    if operation.method not in {"GET", "HEAD"}:
        yield CrossSite
    if operation.body is not None:
        yield from (Malformed, TooSlow, TooLarge, UnsupportedType, Invalid)
    if operation.query is not None:
        yield Invalid
    yield from operation.errors
    yield Unavailable


def _problems(errors: Iterable[type[EveryclickError]], refs: Refs) -> dict[str, Schema]:
    by_status: dict[int, dict[str, str]] = {}
    for error in errors:
        by_status.setdefault(error.status, {})[error.code] = error.title
    content = {"application/problem+json": {"schema": refs[ProblemDocument, "serialization"]}}
    return {
        str(status): {
            "description": "; ".join(f"{title} (`{code}`)" for code, title in told.items()),
            "content": content,
        }
        for status, told in by_status.items()
    }


def _follow(refs: Refs) -> Schema:
    location = {"description": "The target, byte for byte.", "schema": {"type": "string"}}
    return {
        "operationId": "followLink",
        "summary": "Follow a short link. HEAD does not count.",
        "security": [],
        "parameters": [{"name": "code", "in": "path", "required": True, "schema": CODE}],
        "responses": {
            **{
                str(status): {"description": told, "headers": {"Location": location}}
                for status, told in REDIRECTS.items()
            },
            **_problems((NotFound, Gone, Unavailable), refs),
        },
    }
