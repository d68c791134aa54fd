"""The source text as the rules look at it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import REPOSITORY

PACKAGES = ("service", "relay", "migrations")


def modules(*packages: str) -> list[Path]:
    """The Python files of these packages (by default of all of ours), below the repository."""
    found = [
        path.relative_to(REPOSITORY)
        for package in packages or PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
    ]
    assert found
    return sorted(found)


def text(path: Path) -> str:
    """A file's text."""
    return (REPOSITORY / path).read_text("utf-8")


def tree(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(text(path), str(path))


def dotted(path: Path) -> str:
    """The name a module is imported by."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def functions(path: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """A module's public functions, by name."""
    return {
        node.name: node
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    }


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """A module's string literals with their lines, docstrings left out."""
    whole = tree(path)
    told = {
        id(node.value)
        for node in ast.walk(whole)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(whole):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value
