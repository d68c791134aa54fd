"""SQL is prose of its own: named, in sql/, and one function per statement."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from service.contract import statements
from tests.rules.source import functions, literals, modules, text
from tests.support.processes import REPOSITORY

STORES = {
    "relay": modules("relay/store"),
    "service": modules("service/store"),
    "service.contract": [
        path for path in modules("service/contract") if "_SQL = statements.load" in text(path)
    ],
}

SQL = re.compile(
    r"\b(SELECT\s+\S|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE\s|"
    r"(CREATE|ALTER|DROP)\s+\w+|LISTEN\s|NOTIFY\s|LOCK\s+TABLE|SET\s+(LOCAL|SESSION)|FROM\s+\w+\s+WHERE)"
)

ALLOWED = {
    # PgQueuer's Driver port speaks SQL by itself: a channel is a name, and a name is no parameter.
    "relay/driver.py": {"LISTEN {}", "SELECT pg_notify($1, $2)"},
    # Typed into Postgres's single-user mode, before there is a server.
    "service/contract/embedded/cluster.py": {"CREATE DATABASE ", "CREATE DATABASE"},
}


def used(path: Path) -> dict[str, set[str]]:
    """The statements that each public function of a module executes."""
    return {
        name: {
            node.slice.value
            for node in ast.walk(function)
            if isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id == "_SQL"
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        }
        for name, function in functions(path).items()
    }


@pytest.mark.parametrize("package", STORES)
def test_one_function_per_statement(package: str) -> None:
    """Every statement has a function of its name, which executes it and no other."""
    found = {name: told for path in STORES[package] for name, told in used(path).items() if told}
    assert {name: {name} for name in statements.load(package)} == found


@pytest.mark.parametrize("package", ["relay", "service"])
def test_stores_hold_nothing_else(package: str) -> None:
    """Every public function of a store module is a statement's."""
    names = {name for path in STORES[package] for name in functions(path)}
    assert set(statements.load(package)) == names


@pytest.mark.parametrize("package", STORES)
def test_parameters_are_named(package: str) -> None:
    """Values are named parameters; no statement has a place for text to be put in."""
    for name, statement in statements.load(package).items():
        if "%(" not in statement:
            continue  # executed without values: a percent sign is only that
        places = re.findall(r"%(?!%)(.{2})", statement, re.DOTALL)
        assert all(re.match(r"\([a-z]", place) for place in places), name


@pytest.mark.parametrize("path", modules("service", "relay", "migrations/__init__.py"), ids=str)
def test_no_sql_in_python(path: Path) -> None:
    """No string literal of a module holds SQL, but for the exceptions listed here."""
    allowed = ALLOWED.get(str(path), set())
    assert [] == [
        f"{path}:{line}: {literal}"
        for line, literal in literals(path)
        if SQL.search(literal) and literal not in allowed
    ]


def test_the_exceptions_are_still_needed() -> None:
    """An exception that no module needs any more is struck from the list."""
    for name, allowed in ALLOWED.items():
        assert allowed <= {literal for _, literal in literals(Path(name))}


def test_the_scan_sees_sql() -> None:
    """The scan finds statements of each kind, and leaves English alone."""
    for statement in (
        "SELECT 1",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET n = 1",
        "DELETE FROM t",
        "CREATE TABLE t ()",
        "SET LOCAL lock_timeout = 1",
    ):
        assert SQL.search(statement), statement
    for words in ("Update the link", "select a link from the list", "deleted from here"):
        assert not SQL.search(words), words


def test_sql_files_are_packaged_by_table() -> None:
    """Each sql/ folder holds .sql files and nothing else."""
    for package in STORES:
        folder = REPOSITORY / package.replace(".", "/") / "sql"
        assert {".sql"} == {path.suffix for path in folder.iterdir()}
