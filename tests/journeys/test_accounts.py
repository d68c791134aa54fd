"""The accounts' commands, beside a service that runs: what they change counts at once."""

from __future__ import annotations

import json
import re
import subprocess

import psycopg
import pytest

from tests.support.http import fetch
from tests.support.processes import Process, Processes

pytestmark = pytest.mark.process

ADA, ROOT, SPARE = "ada@example.com", "root@example.com", "spare@example.com"
PASSWORD = "correct horse"


def add(processes: Processes, email: str, *more: str) -> None:
    """Make an account."""
    argv = ("service", "user", "add", email, "--password-stdin", *more)
    done = processes.cli(*argv, stdin=f"{PASSWORD}\n")
    assert f"{email}\n" == done.stdout


def bearer(processes: Processes, email: str) -> dict[str, str]:
    """Return the header that a token of the account makes."""
    return {"Authorization": f"Bearer {processes.cli('service', 'token', email).stdout.strip()}"}


def user(
    processes: Processes, *argv: str, stdin: str = "", expected: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command of `user`."""
    return processes.cli("service", "user", *argv, stdin=stdin, expected=expected)


def status(service: Process, path: str, headers: dict[str, str]) -> int:
    """Return the status of a GET."""
    return fetch(f"{service.url}{path}", headers=headers).status


def test_role_counts_at_once(processes: Processes) -> None:
    """A demoted admin gets 403 with the very token that just worked; promoted, 200 again."""
    service = processes.service()
    add(processes, ROOT, "--role", "admin")
    add(processes, SPARE, "--role", "admin")
    add(processes, ADA)
    link = ("service", "link", "add", "https://example.com/", "--code", "hers", "--owner", ADA)
    processes.cli(*link)
    root = bearer(processes, ROOT)
    paths = ("/stats/hers", "/api/v1/links/hers")
    assert [200, 200] == [status(service, path, root) for path in paths]
    user(processes, "role", ROOT, "user")
    assert [403, 403] == [status(service, path, root) for path in paths]
    user(processes, "role", ROOT, "admin")
    assert [200, 200] == [status(service, path, root) for path in paths]


def test_disable_and_enable(processes: Processes) -> None:
    """Disabled: 401 at once, no login, no token; enabled: a new login, the old token stays ended."""
    service = processes.service()
    add(processes, ADA)
    ada = bearer(processes, ADA)
    login = {"email": ADA, "password": PASSWORD}
    assert 200 == status(service, "/api/v1/me", ada)
    user(processes, "disable", ADA)
    assert 401 == status(service, "/api/v1/me", ada)
    assert 401 == fetch(f"{service.url}/api/v1/login", method="POST", payload=login).status
    processes.cli("service", "token", ADA, expected=1)
    user(processes, "enable", ADA)
    assert 401 == status(service, "/api/v1/me", ada)
    assert 200 == fetch(f"{service.url}/api/v1/login", method="POST", payload=login).status


def test_password_ends_all_sessions(processes: Processes) -> None:
    """After `user password` no token of before holds, and only the new password logs in."""
    service = processes.service()
    add(processes, ADA)
    ada = bearer(processes, ADA)
    user(processes, "password", ADA, "--password-stdin", stdin="better horse\n")
    assert 401 == status(service, "/api/v1/me", ada)
    for password, expected in ((PASSWORD, 401), ("better horse", 200)):
        login = {"email": ADA, "password": password}
        answer = fetch(f"{service.url}/api/v1/login", method="POST", payload=login)
        assert expected == answer.status


def test_the_last_admin_stays(processes: Processes, sql: psycopg.Connection) -> None:
    """Neither disabled nor demoted without --force; with another active admin, both."""
    add(processes, ROOT, "--role", "admin")
    add(processes, SPARE, "--role", "admin")
    user(processes, "disable", SPARE)
    for argv in (("disable", ROOT), ("role", ROOT, "user")):
        done = user(processes, *argv, expected=1)
        assert "--force" in done.stderr
    user(processes, "disable", SPARE)  # again, and of no account that counts
    user(processes, "role", ROOT, "admin")
    user(processes, "enable", SPARE)
    user(processes, "disable", ROOT)
    user(processes, "role", SPARE, "user", "--force")
    rows = sql.execute("SELECT email, role, disabled_at IS NULL FROM users ORDER BY id").fetchall()
    assert [(ROOT, "admin", False), (SPARE, "user", True)] == rows


def test_accounts_that_are_not_there(processes: Processes) -> None:
    """1 and a sentence; 2 for a role or a password that cannot be."""
    nobody = "nobody@example.com"
    for argv in (("disable", nobody), ("enable", nobody), ("role", nobody, "admin")):
        assert f"There is no account {nobody}." in user(processes, *argv, expected=1).stderr
    argv = ("password", nobody, "--password-stdin")
    user(processes, *argv, expected=1, stdin="better horse\n")
    user(processes, "role", nobody, "emperor", expected=2)
    for text in ("short", "everyclick1", ""):
        done = user(processes, "add", ADA, "--password-stdin", expected=2, stdin=f"{text}\n")
        assert not text or text not in done.stderr


def test_setup(processes: Processes) -> None:
    """The token on stdout, what to type on stderr; typed, it makes the admin, and no second one."""
    service = processes.service()
    env = {"BASE_URL": service.url}
    done = processes.cli("service", "setup", env=env)
    assert re.fullmatch(r"[\w-]{43}\n", done.stdout)
    typed = re.search(r"^  (curl .+)$", done.stderr, re.MULTILINE)
    assert typed is not None
    document = json.loads(typed[1].partition("-d '")[2].rstrip("'"))
    assert done.stdout.strip() == document["token"]
    setup = {**document, "email": ROOT, "password": PASSWORD}
    url = f"{service.url}/api/v1/setup"
    assert url in typed[1]
    assert 201 == fetch(url, method="POST", payload=setup).status
    assert 409 == fetch(url, method="POST", payload=setup).status
    signup = {"email": ADA, "password": PASSWORD}
    assert 403 == fetch(f"{service.url}/api/v1/signup", method="POST", payload=signup).status
    done = processes.cli("service", "setup", env=env, expected=1)
    assert "" == done.stdout
    assert "There is an admin already" in done.stderr
