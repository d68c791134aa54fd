"""The click's identity, and header text that Postgres can store."""

from __future__ import annotations

import time

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.contract.events import TEXT_LIMIT, clean_header, new_message_id
from service.contract.postgres import Database


def header(raw: bytes) -> str:
    """What aiohttp makes of a header's bytes."""
    return raw.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "raw, expected",
    [
        (b"Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("https://bücher.example/naïve?q=日本".encode(), "https://bücher.example/naïve?q=日本"),
        ("🦊🏳️‍🌈".encode(), "🦊🏳️‍🌈"),
        (b"caf\xe9", "caf�"),
        (b"\xff\xfe", "��"),
        (b"\xed\xa0\x80", "���"),
        (b"\xc0\x80", "��"),
        (b"nul\x00byte", "nul byte"),
        (b"tab\tand\x1b[31mred\x7f", "tab and [31mred"),
        (b"one\r\n two", "one  two"),
        ("c1\x85control".encode(), "c1 control"),
        (b"  spaces  ", "spaces"),
        (b"", None),
        (b"   ", None),
        (b"\x00\x01", None),
        (b"x" * 5000, "x" * TEXT_LIMIT),
        ("é".encode() * 5000, "é" * TEXT_LIMIT),
    ],
)
def test_corpus(raw: bytes, expected: str | None) -> None:
    """Text stays, what is not UTF-8 becomes U+FFFD, control characters a space, length is cut."""
    assert expected == clean_header(header(raw))


def test_no_header() -> None:
    """A header that was not sent is None."""
    assert None is clean_header(None)


@given(st.binary(max_size=3000))
@example(b"\x00" * 2000)
@example(b" " * 1023 + b"\x00x")
def test_any_bytes_are_tamed(raw: bytes) -> None:
    """Whatever bytes a header has, what is left is short, printable and encodable, or None."""
    cleaned = clean_header(header(raw))
    if cleaned is not None:
        assert 1 <= len(cleaned) <= TEXT_LIMIT
        assert cleaned == cleaned.strip()
        cleaned.encode("utf-8")
        assert not any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in cleaned)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=TEXT_LIMIT))
def test_clean_text_stays(text: str) -> None:
    """Text without control characters is kept to the letter, but for blanks at its ends."""
    assert (text.strip() or None) == clean_header(text)


@given(st.binary(max_size=3000))
def test_cleaning_twice_changes_nothing(raw: bytes) -> None:
    """Clean text is clean."""
    cleaned = clean_header(header(raw))
    assert cleaned == clean_header(cleaned)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=64), max_size=20))
def test_postgres_stores_it(database: Database, raws: list[bytes]) -> None:
    """Postgres takes every cleaned header and gives it back as it was."""
    cleaned = [clean_header(header(raw)) for raw in raws]
    row = _connection(database).execute("SELECT %s::text[]", [cleaned]).fetchone()
    assert row is not None
    assert cleaned == row[0]


_open: dict[str, psycopg.Connection] = {}


def _connection(database: Database) -> psycopg.Connection:
    """One connection for all examples of a test."""
    if database.conninfo not in _open:
        _open[database.conninfo] = database.connect()
    return _open[database.conninfo]


@pytest.fixture(autouse=True)
def _closing() -> object:
    yield
    while _open:
        _open.popitem()[1].close()


def test_message_ids_order_by_time() -> None:
    """Ids are UUIDv7 of now, all different, each greater than the one before."""
    before = time.time_ns() // 1_000_000
    made = [new_message_id() for _ in range(10_000)]
    after = time.time_ns() // 1_000_000
    assert made == sorted(set(made))
    assert {7} == {each.version for each in made}
    assert all(before <= each.int >> 80 <= after + 1 for each in made)
