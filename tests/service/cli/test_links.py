"""`python -m service link`, inside the test's process: the same as the API does, by the same rules."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from service.api.links import models
from service.cli.commands import app
from service.contract.postgres import Database
from service.settings import ServiceSettings
from service.store.links import Link, link_by_code
from tests.support.commands import Run, runner

BASE = "http://127.0.0.1:8080"


@pytest.fixture
def run(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `python -m service ARGV…` on the test's database, with two accounts and a link of Ada's."""
    for name in ServiceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO users (email, password_hash)"
            " VALUES ('ada@example.com', '!'), ('bob@example.com', '!')"
        )
    run = runner(monkeypatch, capsys, app)(database)
    made = run("link", "add", "https://a.example/", "--code", "abc", "--owner", "Ada@example.com")
    assert (0, f"{BASE}/abc\n") == (made.code, made.data)
    return run


def stored(database: Database, code: str = "abc") -> Link:
    """The link as it is in the database."""

    async def read() -> Link | None:
        async with await database.aconnect("everyclick-test") as connection:
            return await link_by_code(connection, code)

    link = asyncio.run(read())
    assert link is not None
    return link


def shown(database: Database, code: str = "abc") -> Any:
    """The link as the API shows it."""
    return models.link_model(stored(database, code), ServiceSettings()).model_dump(mode="json")


def test_edit_changes_what_is_given(run: Run, database: Database) -> None:
    """Everything else stays, and the version is another one: an ETag from before does not match."""
    before = stored(database)
    done = run("link", "edit", "abc", "--url", "https://b.example/ü", "--title", " T ", "--json")
    after = stored(database)
    assert (0, shown(database)) == (done.code, json.loads(done.data))
    assert ("https://b.example/%C3%BC", "T", before.version + 1) == (
        after.target,
        after.title,
        after.version,
    )
    assert (None, "ada@example.com", 302) == (after.expires_at, after.owner, after.redirect_code)

    more = ("--expires-at", "2099-01-01T00:00:00+02:00", "--redirect-code", "301", "--disable")
    done = run("link", "edit", "abc", *more, "--json")
    told = json.loads(done.data)
    assert shown(database) == told
    assert ("2098-12-31T22:00:00Z", 301, "T") == (
        told["expires_at"],
        told["redirect_code"],
        told["title"],
    )

    # Disabled a second time it stays so since the first.
    again = json.loads(run("link", "edit", "abc", "--disable", "--json").data)
    assert told["disabled_at"] == again["disabled_at"]

    cleared = run("link", "edit", "abc", "--title", "", "--expires-at", "", "--enable", "--json")
    told = json.loads(cleared.data)
    assert [None] * 3 == [told[name] for name in ("title", "expires_at", "disabled_at")]
    assert f"{BASE}/abc\n" == run("link", "edit", "abc", "--enable").data


@pytest.mark.parametrize(
    "options, words",
    [
        ((), "Give at least one option."),
        (("--url", "javascript:alert(1)"), "Use an address that starts with https:// or http://."),
        (("--url", f"{BASE}/x"), "Invalid value for --url"),
        (("--title", "x" * 201), "Invalid value for --title"),
        (("--expires-at", "tomorrow"), "Write a time such as 2030-01-31T12:00:00Z."),
        (("--expires-at", "2020-01-01T00:00:00Z"), "Choose a time in the future."),
        (("--redirect-code", "303"), "Use 301, 302, 307 or 308."),
    ],
)
def test_edit_refuses_what_the_api_refuses(
    run: Run, database: Database, options: tuple[str, ...], words: str
) -> None:
    """In the same words, with exit code 2, and nothing changes."""
    before = stored(database)
    done = run("link", "edit", "abc", *options)
    assert (2, "") == (done.code, done.data)
    assert words in " ".join(done.words.replace("│", " ").split())
    assert before == stored(database)


def test_give(run: Run, database: Database) -> None:
    """The link is the other account's, in another version."""
    before = stored(database)
    done = run("link", "give", "abc", "BOB@example.com", "--json")
    after = stored(database)
    assert (0, shown(database)) == (done.code, json.loads(done.data))
    assert ("bob@example.com", before.version + 1) == (after.owner, after.version)
    refused = run("link", "give", "abc", "eve@example.com")
    assert (1, "There is no account eve@example.com.\n") == (refused.code, refused.words)
    assert after == stored(database)


def test_rm(run: Run, database: Database) -> None:
    """The link is gone, and the relay is asked to remove its clicks."""
    with database.connect() as sql:
        link = sql.execute("SELECT id FROM links WHERE code = 'abc'").fetchone()
        done = run("link", "rm", "abc", "--json")
        assert (0, "abc") == (done.code, json.loads(done.data)["code"])
        assert link == sql.execute("SELECT link_id FROM deleted_links").fetchone()
        assert [] == sql.execute("SELECT FROM links").fetchall()
    again = run("link", "rm", "abc")
    assert (1, "No link has this code.\n") == (again.code, again.words)


@pytest.mark.parametrize(
    "argv", [("edit", "nope", "--disable"), ("give", "nope", "bob@example.com"), ("rm", "nope")]
)
def test_an_unknown_code(run: Run, argv: tuple[str, ...]) -> None:
    """Exit code 1 and the words of the API."""
    done = run("link", *argv)
    assert (1, "", "No link has this code.\n") == (done.code, done.data, done.words)


def test_add_as_json(run: Run, database: Database) -> None:
    """A new link is printed as the API shows it; a code that is in use is named."""
    done = run("link", "add", "https://c.example/", "--code", "xyz", "--json")
    assert shown(database, "xyz") == json.loads(done.data)
    taken = run("link", "add", "https://c.example/", "--code", "xyz")
    assert (1, "") == (taken.code, taken.data)
    assert taken.words.startswith("The code xyz is already in use.")
