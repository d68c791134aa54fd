"""Whether what the service answers is what its document tells: statuses, headers, types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from aiohttp import ClientSession, TraceConfig, TraceRequestEndParams
from openapi_schema_validator import OAS31Validator

from service.api import operations
from service.api.document import document
from service.api.site import Site
from service.headers import EVERY, STRICT
from service.pages import FIXED

DOCUMENT = document(operations(), "0.0.0", Site())

HTTP = {"connection", "content-length", "content-type", "date", "transfer-encoding"}
"""What HTTP itself says with an answer; the type is told by the answer's content."""

SILENT = HTTP | {name.lower() for name in (*EVERY, *STRICT)} - {"cache-control"}
"""Headers that no operation tells of: they are about browsers, and on every answer."""


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return what the document tells of the operation; None when it has no such one."""
    if path in FIXED:
        return None  # of no API
    for template, told in sorted(DOCUMENT["paths"].items(), key=lambda each: "{" in each[0]):
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        named = "get" if method == "HEAD" else method.lower()
        if re.fullmatch(pattern, path):
            return dict(told[named]) if named in told else None
    return None


def undeclared(operation: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> list[str]:
    """Return what is in an answer and not in the document, and what should have been and was not."""
    answer = operation["responses"].get(str(status))
    if answer is None:
        return [f"status {status}"]
    told = {name.lower(): _resolved(header) for name, header in answer.get("headers", {}).items()}
    sent = {name.lower(): value for name, value in headers.items()}
    faults = [f"header {name}" for name in sent if name not in {*told, *SILENT, "cache-control"}]
    if "cache-control" not in told and sent.get("cache-control") != EVERY["Cache-Control"]:
        faults.append("another Cache-Control than on every answer")
    faults += [f"no {name}" for name in told if told[name]["required"] and name not in sent]
    for name in told.keys() & sent.keys():
        schema = told[name]["schema"]
        value = int(sent[name]) if schema["type"] == "integer" else sent[name]
        if not OAS31Validator(schema).is_valid(value):
            faults.append(f"{name}: {value}")
    kinds = set(answer.get("content", {}))
    kind = sent.get("content-type", "").partition(";")[0]
    if kind not in (kinds or {"", "application/octet-stream"}):
        faults.append(f"type {kind}")
    return faults


def checking() -> TraceConfig:
    """Return what makes a client fail at the first answer that the document does not tell."""

    async def check(_: ClientSession, __: SimpleNamespace, ended: TraceRequestEndParams) -> None:
        operation = operation_of(ended.method, ended.url.raw_path)
        answer = ended.response
        # Without one it is no path or method of ours, and 404 or 405 as the description says. And what
        # is no HTTP is answered by the test's server, where the service's own has other words.
        if operation is None or answer.headers["Server"] != EVERY["Server"]:
            return
        faults = undeclared(operation, answer.status, answer.headers)
        assert [] == faults, f"{ended.method} {ended.url.raw_path}: {answer.status}"

    traces = TraceConfig()
    traces.on_request_end.append(check)
    return traces


def _resolved(header: Mapping[str, str]) -> dict[str, Any]:
    name = header["$ref"].rpartition("/")[2]
    return dict(DOCUMENT["components"]["headers"][name])
