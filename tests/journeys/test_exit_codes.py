"""How commands end: which code, in which words; and what a service does that has no database yet."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql as composed

import migrations
from service.contract.postgres import Database
from tests.journeys.conftest import Measured
from tests.support.clones import Template
from tests.support.http import Answer, fetch
from tests.support.processes import SECRET_KEY, Process, Processes, free_ports, url_of
from tests.support.traffic import count, make_link

pytestmark = pytest.mark.process

SERVE, CHECK, RELAY = ("service",), ("service", "check"), ("relay", "run")

FAULTY = {
    "PORT": "many",
    "METRICS_PORT": "70000",
    "RELAY_METRICS_PORT": "-1",
    "DATABASE_URL": "mysql://localhost/clicks",
    "SECRET_KEY": "short",
    "SHUTDOWN_TIMEOUT": "soon",
    "RELAY_FAULT_RATE": "2",
}

SERVICE_FAULTS = {"PORT", "METRICS_PORT", "DATABASE_URL", "SECRET_KEY", "SHUTDOWN_TIMEOUT"}
RELAY_FAULTS = {"RELAY_METRICS_PORT", "DATABASE_URL", "SHUTDOWN_TIMEOUT", "RELAY_FAULT_RATE"}


@pytest.fixture
def anywhere(tmp_path: Path) -> Processes:
    """Processes without a database."""
    return Processes(tmp_path, {"SECRET_KEY": SECRET_KEY})


def said(done: subprocess.CompletedProcess[str]) -> str:
    """All it said, in JSON or not, which must be sentences and no trace."""
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    return "\n".join(
        json.loads(line).get("message", line) if line.startswith("{") else line
        for line in text.splitlines()
    )


@pytest.mark.parametrize(
    "argv, named",
    [(CHECK, SERVICE_FAULTS), (SERVE, SERVICE_FAULTS), (RELAY, RELAY_FAULTS)],
    ids=[" ".join(argv) for argv in (CHECK, SERVE, RELAY)],
)
def test_bad_configuration(anywhere: Processes, argv: tuple[str, ...], named: set[str]) -> None:
    """78, and one sentence for each variable at fault; the password's and the key's text is not told."""
    done = anywhere.cli(*argv, expected=78, env=FAULTY)
    lines = said(done).splitlines()
    assert named == {line.split(":")[0].split("=")[0] for line in lines}
    assert "mysql" not in said(done)
    assert "short'" not in said(done)


def test_missing_key(anywhere: Processes) -> None:
    """With a database of one's own and no SECRET_KEY: 78, and how to make one."""
    env = {"SECRET_KEY": "", "DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    done = anywhere.cli("service", expected=78, env=env)
    assert "SECRET_KEY is not set" in said(done)
    assert "Make one: python3 -c" in said(done)


@pytest.mark.parametrize(
    "argv",
    [
        ("service", "link", "list"),
        ("service", "user", "list"),
        ("service", "migrate"),
        ("service", "check"),
        ("relay", "status"),
        ("relay", "drain"),
        ("relay", "verify"),
        ("relay", "dead-letters", "list"),
    ],
    ids=" ".join,
)
def test_unreachable_database(anywhere: Processes, argv: tuple[str, ...]) -> None:
    """69, one sentence, and no trace, when nobody answers at DATABASE_URL."""
    port = free_ports(1)[0]
    url = f"postgresql://someone:hidden@127.0.0.1:{port}/none"
    done = anywhere.cli(*argv, expected=69, env={"DATABASE_URL": url})
    assert "cannot be reached" in said(done)
    assert "hidden" not in said(done)


@pytest.mark.parametrize(
    "argv",
    [
        ("service", "no-such-command"),
        ("service", "link", "add"),
        ("service", "link", "add", "not a url"),
        ("service", "serve", "--no-such-option"),
        ("relay", "no-such-command"),
        ("relay", "dead-letters", "replay"),
        ("relay", "dead-letters", "show", "not-a-uuid"),
    ],
    ids=" ".join,
)
def test_usage(anywhere: Processes, argv: tuple[str, ...]) -> None:
    """2 for a command line that cannot be meant, before any database is looked for."""
    done = anywhere.cli(*argv, expected=2)
    assert done.stdout == ""
    assert said(done) != ""


@pytest.mark.parametrize("argv", [("service",), ("ops.run",)], ids=" ".join)
def test_taken_port(processes: Processes, argv: tuple[str, ...]) -> None:
    """78, naming PORT, when somebody else listens there; nothing goes on without it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = processes.cli(*argv, expected=78, env={"PORT": port})
    (line,) = [line for line in said(done).splitlines() if line.startswith(f"PORT={port}: ")]
    assert f"the port is in use on 127.0.0.1 by process {os.getpid()} (" in line
    assert "Everyclick is up" not in done.stderr


def test_any_port_for_everything(processes: Processes) -> None:
    """78 for PORT=0 where nothing could say which port it becomes."""
    done = processes.cli("ops.run", expected=78, env={"PORT": "0"})
    assert "PORT=0: " in said(done)


@pytest.fixture
def old(template: Template) -> Iterator[Database]:
    """A database one revision behind."""
    with template.empty() as database:
        migrations.upgrade(database.connect, "0001")
        yield database


def test_old_schema(tmp_path: Path, old: Database) -> None:
    """78 naming the command that mends it; after that command the service starts."""
    processes = Processes(tmp_path, {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": url_of(old)})
    try:
        for argv in (("service",), ("service", "check"), ("relay",), ("relay", "status")):
            done = processes.cli(*argv, expected=78, env={"PORT": "0"})
            assert "Run: python -m service migrate" in said(done), argv
        processes.cli("service", "migrate")
        service = processes.service()
        assert fetch(f"{service.url}/readyz").status == 200
        assert service.stop().code == 0
    finally:
        processes.close()


def rename(server: str, name: str, new: str) -> None:
    """Rename a database nobody is connected to."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(
            composed.SQL("ALTER DATABASE {} RENAME TO {}").format(
                composed.Identifier(name), composed.Identifier(new)
            )
        )


def looks(service: Process, *paths: str) -> list[Answer]:
    """Its answers to GET for these paths."""
    return [fetch(f"{service.url}{path}") for path in paths]


def test_service_before_its_database(
    processes: Processes, database: Database, server: str, measured: Measured
) -> None:
    """Alive at once, 503 with Retry-After for what needs the database; ready when it is there."""
    with database.connect() as connection:
        make_link(connection, "early")
        row = connection.execute("SELECT current_database()").fetchone()
    assert row is not None
    name = str(row[0])
    rename(server, name, f"{name}_away")
    try:
        service = processes.start("service", env={"PORT": "0"})
        relay = processes.start("relay")
        service.ready(lambda: service.logged("listening"), "listening")
        healthy, unready, redirect = looks(service, "/healthz", "/readyz", "/early")
        assert [healthy.status, unready.status, redirect.status] == [200, 503, 503]
        assert int(redirect.headers["retry-after"]) > 0
        assert redirect.headers["content-type"].split(";")[0] == "application/problem+json"
        measured("redirect refused without a database", redirect.seconds)
        assert redirect.seconds < 6.0
        relay.ready(lambda: relay.logged("database_unavailable"), "saying what it waits for")
    finally:
        rename(server, f"{name}_away", name)
    service.ready(lambda: looks(service, "/readyz")[0].status == 200, "ready")
    assert looks(service, "/early")[0].status == 302
    relay.ready(lambda: relay.logged("database_ready"), "ready")
    with database.connect() as connection:
        relay.ready(lambda: count(connection, "clicks") == 1, "the click counted")
    assert (relay.stop().code, service.stop().code) == (0, 0)


@pytest.mark.parametrize(
    "target, word",
    [
        ("https://GO.example:81/x", "itself"),
        ("https://www.bad.example/", "not allowed"),
        ("http://[::ffff:127.0.0.1]/", "not allowed"),
        ("javascript:alert(1)", "https"),
    ],
)
def test_a_link_that_may_not_be(anywhere: Processes, target: str, word: str) -> None:
    """2 and the reason, before any database is looked for: the rules are the API's."""
    env = {"BASE_URL": "https://go.example", "DENIED_HOSTS": "bad.example,private"}
    done = anywhere.cli("service", "link", "add", target, expected=2, env=env)
    assert word in said(done)
