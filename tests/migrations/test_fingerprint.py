"""What the schema takes for one cause: error_shape and error_fingerprint."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.contract.embedded import binaries
from service.contract.postgres import Database
from tests.support.clones import Template


@pytest.fixture(scope="module")
def sql(template: Template) -> Iterator[psycopg.Connection]:
    """A connection to a migrated database that nothing is written to."""
    with template.clone() as database, database.connect() as connection:
        yield connection


def shape(sql: psycopg.Connection, message: str) -> str:
    """What is left of a message."""
    row = sql.execute("SELECT error_shape(%s)", [message]).fetchone()
    assert row is not None
    return str(row[0])


def fingerprint(sql: psycopg.Connection, error_class: str, message: str) -> str:
    """The fingerprint of an error."""
    row = sql.execute("SELECT error_fingerprint(%s, %s)", [error_class, message]).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(
    "message, expected",
    [
        ("refused poison 17", "refused poison ?"),
        ("timed out after 3.5s, attempt -2", "timed out after ?s, attempt ?"),
        ("event 0193b6f0-0000-7000-8000-00000000000a is odd", "event ? is odd"),
        ("event abcdef0a-bcde-7abc-8abc-abcdefabcdef is odd", "event ? is odd"),
        ("no route to 10.0.0.1:5432", "no route to ?"),
        ("no route to 2001:db8::1", "no route to ?"),
        ("since 2026-11-24 10:30:00.123+00 it fails", "since ? it fails"),
        ("cannot fetch https://a.example/x?y=1#z (404)", "cannot fetch ? (?)"),
        ("mail to ada@a.example bounced", "mail to ? bounced"),
        ("<object at 0x7f3adead>", "<object at ?>"),
        ("'NoneType' object has no attribute 'x'", "? object has no attribute ?"),
        ("can't parse 'Mozilla/5.0 (it's me)' at all", "can't parse ? at all"),
        (r"can't parse b'it\'s' at all", "can't parse ? at all"),
        ('invalid input syntax for type integer: "a"b"', "invalid input syntax for type integer: ?"),
        ('invalid byte sequence for encoding "UTF8": 0xc3 0x28', "invalid byte sequence for encoding ?"),
        ("ids 1, 2, 3 are bad", "ids ? are bad"),
        ('this was cut "off he', "this was cut ?"),
        ("this was cut 'off\\", "this was cut ?"),
        (
            'new row for relation "clicks_2026_11" violates check constraint "hour_check"\nDETAIL:  (0)',
            "new row for relation clicks_?_? violates check constraint hour_check",
        ),
        ("refused x\nCONTEXT:  PL/pgSQL function refuse() line 1 at RAISE", "refused x"),
        ("1 fault\nfield\n  is required", "? fault\nfield\n  is required"),
        ("nothing to replace", "nothing to replace"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_left(sql: psycopg.Connection, message: str, expected: str) -> None:
    """Values go; words and the names of constraints and columns stay."""
    assert expected == shape(sql, message)


def test_class_and_words_tell_apart(sql: psycopg.Connection) -> None:
    """Another class, other words and another constraint are other causes; another value is none."""
    check = 'violates check constraint "%s"'
    different = {
        fingerprint(sql, "KeyError", "no link 7"),
        fingerprint(sql, "ValueError", "no link 7"),
        fingerprint(sql, "KeyError", "no user 7"),
        fingerprint(sql, "CheckViolation", check % "one"),
        fingerprint(sql, "CheckViolation", check % "two"),
    }
    assert 5 == len(different)
    assert fingerprint(sql, "KeyError", "no link 8") in different
    assert all(12 == len(each) and int(each, 16) >= 0 for each in different)


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)
bare = st.text("abcXYZ /;()äß", max_size=30)
values = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.uuids().filter(lambda each: any(map(str.isdecimal, str(each)))).map(str),
    st.ip_addresses(v=4).map(str),
    bare.map(lambda text: f'"{text}"'),
    bare.map(lambda text: f"'{text}'"),
    bare.map(repr),
    st.datetimes().map(str),
    st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M}"),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values, values)
def test_any_value_is_as_good_as_another(sql: psycopg.Connection, one: str, other: str) -> None:
    """The same sentence about two values has one fingerprint."""
    sentence = "the handler refused %s because it can't be read"
    assert fingerprint(sql, "E", sentence % one) == fingerprint(sql, "E", sentence % other)


@settings(max_examples=300, deadline=None)
@given(words)
def test_any_text_has_one(sql: psycopg.Connection, message: str) -> None:
    """Whatever an error says, its letter can be written: burying an event must not fail."""
    assert 12 == len(fingerprint(sql, "E", message))


@pytest.mark.parametrize(
    "piece", ['"', "'", "\\", '"a', "'\\", "a1 '", "0x", "?,", "a@", "b'\"", "://"]
)
def test_long_text_is_no_work(sql: psycopg.Connection, piece: str) -> None:
    """A message of the longest kind (2,000 characters) costs milliseconds, whatever it is made of."""
    message = (piece * 2000)[:2000]
    with sql.transaction():
        sql.execute("SET LOCAL statement_timeout = '500ms'")
        assert 12 == len(fingerprint(sql, "E", message))


LETTER = (
    "INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts,"
    " error_class, error_message, first_failed_at)"
    " VALUES (%s, 1, now(), '{}', 5, 'KeyError', 'no link 7', now())"
)


def test_a_letter_has_it_by_itself(database: Database) -> None:
    """Whoever writes a letter need not know of the column."""
    with database.connect() as connection:
        connection.execute(LETTER, [UUID(int=1)])
        row = connection.execute("SELECT fingerprint FROM dead_letters").fetchone()
        assert row == (fingerprint(connection, "KeyError", "no link 9"),)


def test_it_survives_a_restore(database: Database, template: Template) -> None:
    """pg_dump and pg_restore bring letters and records back with the same fingerprints."""
    with database.connect() as connection:
        if connection.info.server_version < 180000:
            pytest.skip(
                "the tools are of Postgres 18; an older server does not read what they dump"
            )
        connection.execute(LETTER, [UUID(int=1)])
        connection.execute(
            "INSERT INTO dead_letter_actions (action, choice, planned) VALUES ('replay', '{}', 1)"
        )
        before = connection.execute("SELECT * FROM dead_letters").fetchall()
    tools = binaries.bin_dir()
    dumped = subprocess.run(
        [tools / "pg_dump", "-Fc", database.conninfo], capture_output=True, check=True
    ).stdout
    with template.empty() as restored:
        done = subprocess.run(
            [tools / "pg_restore", "--exit-on-error", "-d", restored.conninfo],
            input=dumped, capture_output=True, check=False,
        )  # fmt: skip
        assert (0, b"") == (done.returncode, done.stderr)
        with restored.connect() as connection:
            assert before == connection.execute("SELECT * FROM dead_letters").fetchall()
