"""The bill of materials, and what must not be older than it is."""

from __future__ import annotations

import json
import re
from importlib.metadata import version

import psycopg
import pytest
from aiohttp import http_parser
from packaging.version import Version

from ops.sbom import LOCK, bill
from tests.support.processes import REPOSITORY

FLOORS = {
    "aiohttp": "3.14.4",  # request smuggling, scheme of absolute targets
    "pyjwt": "2.15.0",  # keys imported where none may be
    "psycopg-pool": "3.3.1",  # connections lost to cancelled requests
    "jinja2": "3.1.6",  # the sandbox's way out
}


def pinned(lock: str) -> dict[str, str]:
    """Names and versions of a lock, read another way than the code under test does."""
    return dict(re.findall(r"(?m)^([a-z0-9-]+)(?:\[.*?\])?==([^ ;\\]+)", lock))


def test_it_lists_the_lock() -> None:
    """Every pinned package is in it, with its version, its address and the digests of its files."""
    lock = LOCK.read_text("utf-8")
    listed = json.loads(bill())
    assert ("CycloneDX", "everyclick") == (
        listed["bomFormat"],
        listed["metadata"]["component"]["name"],
    )
    found = {each["name"]: each for each in listed["components"]}
    assert pinned(lock) == {name: each["version"] for name, each in found.items()}
    digests = {h["content"] for each in found.values() for h in each["hashes"]}
    assert set(re.findall(r"sha256:([0-9a-f]{64})", lock)) == digests
    assert found["aiohttp"]["purl"].startswith("pkg:pypi/aiohttp@")


@pytest.mark.parametrize("name", FLOORS)
def test_floors(name: str) -> None:
    """What is installed, and what may be, has the fixes that we count on."""
    floor = Version(FLOORS[name])
    assert floor <= Version(version(name))
    if stated := re.search(rf'"{name}>=([0-9.]+)', (REPOSITORY / "pyproject.toml").read_text()):
        assert floor <= Version(stated[1])


def test_libpq() -> None:
    """The libpq that comes with psycopg has the fixes of 18.4."""
    assert psycopg.pq.version() >= 180004


def test_the_fast_parser() -> None:
    """Requests are read by aiohttp's parser in C, the one that is fuzzed."""
    assert http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_locks(name: str) -> None:
    """Every line of a lock is pinned and hashed, and names no index."""
    lock = (REPOSITORY / "ops" / "lock" / name).read_text("utf-8")
    blocks = [
        block for block in re.split(r"\n(?=[A-Za-z0-9])", lock) if re.match("[A-Za-z]", block)
    ]
    assert blocks
    assert [] == [block for block in blocks if "==" not in block or "--hash=sha256:" not in block]
    assert re.search(r"https?://|--index|--find-links", lock) is None
