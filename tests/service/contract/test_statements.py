"""The loader of named SQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.contract.statements import StatementError, load

Package = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Makes an importable package whose sql/ folder holds these files."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(**files: str) -> str:
        folder = tmp_path / "invented" / "sql"
        folder.mkdir(parents=True)
        (tmp_path / "invented" / "__init__.py").touch()
        for name, text in files.items():
            (folder / name.replace("_sql", ".sql")).write_text(text)
        return "invented"

    yield make
    sys.modules.pop("invented", None)


def test_statements_by_name(package: Package) -> None:
    """Each statement runs to the next name; name and description are not part of it."""
    found = load(
        package(
            one_sql="-- name: first\n-- Says one.\nSELECT 1\n\n-- name: second\n-- Says two.\n"
            "-- A comment of its own.\nSELECT 2\n\n",
            two_sql="-- name: third\n-- Says three.\nSELECT '%(three)s'",
            notes_txt="-- name: ignored\n",
        )
    )
    assert {
        "first": "SELECT 1",
        "second": "-- A comment of its own.\nSELECT 2",
        "third": "SELECT '%(three)s'",
    } == dict(found)


def test_nobody_changes_them(package: Package) -> None:
    """What was loaded cannot be written to."""
    found = load(package(one_sql="-- name: first\n-- Says one.\nSELECT 1"))
    with pytest.raises(TypeError):
        found["first"] = "SELECT 2"  # type: ignore[index]


@pytest.mark.parametrize(
    "text, problem",
    [
        ("-- name: blank\n\n", "no description"),
        ("-- name: bare\nSELECT 1\n", "no description"),
        ("-- name: empty\n-- Says nothing.\n\n", "no statement"),
        ("-- name: one\n-- name: two\n-- Two.\nSELECT 2\n", "no description"),
        ("-- name: twin\n-- One.\nSELECT 1\n-- name: twin\n-- Two.\nSELECT 2\n", "named twice"),
    ],
)
def test_what_is_not_as_described(package: Package, text: str, problem: str) -> None:
    """A file that breaks the form is refused, and the error says where and what."""
    with pytest.raises(StatementError, match=problem) as raised:
        load(package(one_sql=text))
    assert "one.sql" in raised.value.where


def test_names_are_unique_over_files(package: Package) -> None:
    """Two files of a package cannot share a name."""
    text = "-- name: twin\n-- One.\nSELECT 1\n"
    with pytest.raises(StatementError, match="twin: named twice"):
        load(package(one_sql=text, two_sql=text))


def test_text_before_the_first_name(package: Package) -> None:
    """What no name stands above would be lost, and is refused."""
    with pytest.raises(StatementError, match="before the first name"):
        load(package(one_sql="SELECT 0\n\n-- name: first\n-- Says one.\nSELECT 1"))


def test_a_misspelt_name_line(package: Package) -> None:
    """A name line that is none is refused, rather than joined to the statement above it."""
    text = "-- name: first\n-- Says one.\nSELECT 1\n-- name: Second\n-- Says two.\nSELECT 2"
    with pytest.raises(StatementError, match="not a name"):
        load(package(one_sql=text))
