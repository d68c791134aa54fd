"""`python -m service key`, inside the test's process."""

from __future__ import annotations

import pytest

from service import keys
from service.cli.commands import app
from service.contract.postgres import Database
from tests.support.commands import Run, runner


@pytest.fixture
def run(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `python -m service ARGV…` on the test's database, where Ada has an account."""
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO users (email, password_hash) VALUES ('ada@example.com', '!')"
        )
    return runner(monkeypatch, capsys, app)(database)


def test_a_key_from_beginning_to_end(run: Run) -> None:
    """A key is made, printed once, listed without its secret, and revoked."""
    made = run(
        "key",
        "add",
        "Ada@example.com",
        "--name",
        "deploy",
        "--scope",
        "stats:read",
        "--scope",
        "links:read",
        "--days",
        "30",
    )
    assert 0 == made.code, made.words
    assert keys.is_written(made.data.strip())
    listed = run("key", "list", "ada@example.com").data
    number, name, scopes, used, state = listed.rstrip("\n").split("\t")
    assert ("deploy", "links:read,stats:read", "never used") == (name, scopes, used)
    assert state.startswith("until ")
    assert 0 == run("key", "revoke", "ada@example.com", number).code
    assert "\trevoked " in run("key", "list", "ada@example.com").data


@pytest.mark.parametrize(
    "argv, code",
    [
        (("add", "nobody@example.com", "--scope", "links:read"), 1),
        (("add", "ada@example.com"), 2),
        (("add", "ada@example.com", "--scope", "admin"), 2),
        (("add", "ada@example.com", "--scope", "links:read", "--name", ""), 2),
        (("list", "nobody@example.com"), 1),
        (("revoke", "ada@example.com", "7"), 1),
        (("revoke", "ada@example.com", "x"), 2),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, argv: tuple[str, ...], code: int) -> None:
    """A refusal is words on stderr and a code, and no data."""
    done = run("key", *argv)
    assert (code, "") == (done.code, done.data)
    assert done.words
