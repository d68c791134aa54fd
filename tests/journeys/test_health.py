"""`health` of both processes, as a container runs it."""

from __future__ import annotations

import signal

import psycopg
import pytest
from psycopg import sql

from service.contract.postgres import Database
from tests.support.processes import Processes, free_ports
from tests.support.waiting import until

pytestmark = pytest.mark.process


def code(processes: Processes, *argv: str) -> int:
    """The exit code of a command that may end in any way."""
    done = processes.start(*argv)
    return done.wait(30.0).code


def comes_to(processes: Processes, package: str, expected: int) -> None:
    """Wait until a check of this process ends with this code."""
    until(
        lambda: code(processes, package, "health") == expected, f"{package} health: {expected}", 60
    )


def test_checks_tell_the_truth(processes: Processes, database: Database, server: str) -> None:
    """0 at work; 1 before the start, when frozen and after the end; without the database the relay is
    alive (--live 0) and not ready (69), the service alive and not ready (1).
    """
    ports = free_ports(2)
    processes.env |= {"PORT": str(ports[0]), "RELAY_METRICS_PORT": str(ports[1])}
    checks = {package: (package, "health") for package in ("service", "relay")}
    assert [1, 1] == [code(processes, *check) for check in checks.values()]
    running = {
        "service": processes.service(PORT=str(ports[0])),
        "relay": processes.relay(RELAY_METRICS_PORT=str(ports[1])),
    }
    for package in running:
        comes_to(processes, package, 0)
    for package, process in running.items():
        process.send(signal.SIGSTOP)
        assert 1 == code(processes, *checks[package])
        assert 1 == code(processes, *checks[package], "--live")
        process.send(signal.SIGCONT)
        comes_to(processes, package, 0)

    name = str(psycopg.conninfo.conninfo_to_dict(database.conninfo)["dbname"])
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(server, autocommit=True) as admin:
        try:
            admin.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            comes_to(processes, "relay", 69)
            comes_to(processes, "service", 1)
            assert [0, 0] == [code(processes, *check, "--live") for check in checks.values()]
        finally:
            admin.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
    comes_to(processes, "relay", 0)
    assert [0, 0] == [process.stop().code for process in running.values()]
    assert [1, 1] == [code(processes, *check) for check in checks.values()]
