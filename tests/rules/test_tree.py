"""Tests mirror the tree and state their claim."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.rules.source import modules, text, tree
from tests.support.processes import REPOSITORY

TESTS = [path for path in modules("tests") if path.name.startswith("test_")]


@pytest.mark.parametrize("package", ["service", "relay"])
def test_each_test_file_has_its_source(package: str) -> None:
    """tests/service/links/test_x.py tests service/links/x.py (or a package x), nothing else."""
    for path in TESTS:
        if path.parts[1] != package:
            continue
        source = REPOSITORY.joinpath(*path.parts[1:-1], path.stem.removeprefix("test_"))
        assert source.with_suffix(".py").is_file() or source.is_dir(), path


@pytest.mark.parametrize("path", TESTS, ids=str)
def test_each_test_states_its_claim(path: Path) -> None:
    """Every test function has a docstring."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            assert ast.get_docstring(node), f"{path}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", TESTS, ids=str)
def test_no_database_is_pretended(path: Path) -> None:
    """No test replaces the database by a mock: there is a real one for each."""
    imported = {
        name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert not imported & {"unittest.mock", "mock", "pytest_mock"}, text(path)[:80]
