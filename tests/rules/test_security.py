"""ops/security.md tells every row, and names tests that exist."""

from __future__ import annotations

import re

from tests.support.processes import REPOSITORY

TEXT = (REPOSITORY / "ops" / "security.md").read_text("utf-8")


def test_no_row_is_missing() -> None:
    """S01 to S40, each once."""
    assert [f"S{number:02}" for number in range(1, 41)] == re.findall(
        r"^\| (S\d\d) \|", TEXT, re.MULTILINE
    )


def test_every_named_test_exists() -> None:
    """A row that shows a test shows one of the suite."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)
    assert named
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (REPOSITORY / path).is_file()
        or (name and f"def {name}(" not in (REPOSITORY / path).read_text("utf-8"))
    ]
    assert [] == missing


def test_a_row_without_a_test_says_so() -> None:
    """What no test shows is set in bold: a deviation, or something that was not tried."""
    silent = [
        line
        for line in TEXT.splitlines()
        if re.match(r"\| S\d\d \|", line) and "tests/" not in line
    ]
    assert [] == [line for line in silent if "**" not in line]
