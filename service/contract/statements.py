"""Named SQL: every statement of a package stands in its `sql/` folder, one file per table.

    -- name: link_resolve
    -- The link behind a code, live or not.
    SELECT …

The name line and the description line are required; the statement runs to the next name line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import LiteralString

_NAME_LINE = re.compile(r"^-- *name:(?P<name>.*)$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class StatementError(Exception):
    """A `sql/` folder is not as described above; `where` is file and statement."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where


def load(package: str) -> Mapping[str, LiteralString]:
    """Return the package's statements by name. Raises StatementError when a file breaks the form."""
    statements: dict[str, LiteralString] = {}
    for source in sorted(files(package).joinpath("sql").iterdir(), key=lambda path: path.name):
        if not source.name.endswith(".sql"):
            continue
        for name, text in _split(source.name, source.read_text("utf-8")):
            if name in statements:
                raise StatementError(f"{package}/sql/{source.name}: {name}", "named twice")
            # The one place where text becomes SQL: it comes from our own files, never from input.
            statements[name] = text
    return MappingProxyType(statements)


def _split(source: str, text: str) -> list[tuple[str, str]]:
    starts = list(_NAME_LINE.finditer(text))
    ends = [match.start() for match in starts] + [len(text)]
    if text[: ends[0]].strip():
        raise StatementError(source, "text before the first name line")
    named = []
    for match, end in zip(starts, ends[1:], strict=True):
        name = match["name"].strip()
        description, _, body = text[match.end() : end].strip().partition("\n")
        where = f"{source}: {name}"
        if not _NAME.fullmatch(name):
            raise StatementError(where, "not a name: lower-case letters, digits and _")
        if not description.startswith("-- "):
            raise StatementError(where, "no description line under the name")
        if not body.strip():
            raise StatementError(where, "no statement under the description")
        named.append((name, body.strip()))
    return named
