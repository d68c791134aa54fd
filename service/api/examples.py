"""Examples of the API's document: a value for each schema, a curl line for each operation. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from service.api.header import Schema

TAGS = {
    "/{code}": "Redirects",
    "/api/v1/links": "Links",
    "/stats": "Statistics",
    "/api/v1/keys": "API keys",
    "/api/v1/users": "Accounts",
    "/api/v1/invites": "Accounts",
    "/api/v1": "Signing in",
    "/healthz": "Health",
    "/readyz": "Health",
    "/api": "This document",
}
"""The group of an operation: that of the longest prefix of its path."""

_FALLBACKS: Mapping[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "null": None,
    "object": {},
}


def tag_of(path: str) -> str:
    """Return the group of the operations of this path."""
    return TAGS[max((each for each in TAGS if path.startswith(each)), key=len)]


def example_of(schema: Schema, schemas: Mapping[str, Schema]) -> Any:  # noqa: PLR0911 - a row of cases
    """Return a value that the schema allows, made of the examples it and its parts name."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for named in ("example", "const"):
        if named in schema:
            return schema[named]
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return example_of(schema[choice][0], schemas)
    if "properties" in schema:
        return {name: example_of(part, schemas) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema.get("items", {}), schemas)]
    return schema.get("default", _FALLBACKS.get(schema.get("type", "string")))


def add_examples(api: Schema) -> None:
    """Give each operation of the document its group, and each parameter and body an example."""
    schemas = api["components"]["schemas"]
    for path, methods in api["paths"].items():
        for operation in methods.values():
            operation["tags"] = [tag_of(path)]
            for parameter in operation.get("parameters", ()):
                parameter["example"] = example_of(parameter["schema"], schemas)
                if "description" in parameter["schema"]:
                    parameter.setdefault("description", parameter["schema"]["description"])
            for content in _contents(operation):
                content.setdefault("example", example_of(content["schema"], schemas))
    used = dict.fromkeys(tag_of(path) for path in api["paths"])
    api["tags"] = [{"name": name} for name in dict.fromkeys(TAGS.values()) if name in used]


def _contents(operation: Schema) -> Iterator[Schema]:
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from holder.get("content", {}).values()


def curl_line(api: Schema, method: str, path: str) -> str:
    """Return a command that asks for the operation at `$BASE`, with a session's token in `$TOKEN`."""
    operation = api["paths"][path][method]
    words = ["curl"]
    if method != "get":
        words += ["-X", method.upper()]
    if operation.get("security"):
        words += ["-H", '"Authorization: Bearer $TOKEN"']
    query = []
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
        elif parameter["in"] == "query" and parameter.get("required"):
            query.append(f"{parameter['name']}={parameter['example']}")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        words += [
            "-H",
            quote(f"Content-Type: {media}"),
            "-d",
            quote(json.dumps(content["example"])),
        ]
    return " ".join([*words, f'"$BASE{path}{"?" if query else ""}{"&".join(query)}"'])
