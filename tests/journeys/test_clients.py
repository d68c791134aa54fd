"""Programs people have: curl, wget and wrk as they come, against a running service."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from tests.support.processes import Process, Processes
from tests.support.target import Site, site
from tests.support.traffic import counts, drained, make_link

pytestmark = pytest.mark.process


@dataclass(frozen=True, slots=True)
class Linked:
    """A link that leads to a site of the test's own."""

    url: str
    site: Site
    service: Process


@pytest.fixture
def linked(processes: Processes, sql: psycopg.Connection) -> Iterator[Linked]:
    """A running service, and a link to a site's page `/target`."""
    with site() as target:
        make_link(sql, "client", f"{target.url}/target")
        service = processes.service()
        yield Linked(f"{service.url}/client", target, service)


def run(name: str, *argv: str) -> str:
    """Run an installed program without its user's settings; return all it printed."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [program, *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "no_proxy": "*"},
        check=True,
    )
    return done.stdout


def test_curl(linked: Linked, sql: psycopg.Connection) -> None:
    """curl gets 302 and follows it; curl -I is answered alike and not counted."""
    form = ["-q", "-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"]
    assert f"302 {linked.site.url}/target" == run("curl", *form, linked.url)
    assert counts(sql)["outbox"] == 1

    assert run("curl", "-q", "-s", "-L", linked.url) == "arrived"
    assert [visit.method for visit in linked.site.visited("/target")] == ["GET"]
    assert counts(sql)["outbox"] == 2

    head = run("curl", "-q", "-s", "-I", linked.url)
    assert head.startswith("HTTP/1.1 302 ")
    assert f"location: {linked.site.url}/target" in head.lower().splitlines()
    assert counts(sql)["outbox"] == 2

    assert run("curl", *form, f"{linked.service.url}/unknown") == "404 "
    agents = sql.execute("SELECT DISTINCT user_agent LIKE 'curl/%' FROM outbox").fetchall()
    assert agents == [(True,)]


def test_wget(linked: Linked, sql: psycopg.Connection) -> None:
    """wget follows a link to its end; the spider's HEAD is not counted."""
    said = run("wget", "--no-config", "-O", "-", linked.url)
    assert "302" in said
    assert "arrived" in said
    assert counts(sql)["outbox"] == 1
    run("wget", "--no-config", "--spider", linked.url)
    assert [visit.method for visit in linked.site.visited("/target")] == ["GET", "HEAD"]
    assert counts(sql)["outbox"] == 1


def test_wrk(linked: Linked, processes: Processes, sql: psycopg.Connection) -> None:
    """Each response wrk got is a row; beyond them at most the requests it left unanswered."""
    connections = 8
    load = ["-t", "2", "-c", str(connections), "-d", "2s", "--timeout", "30s"]
    said = run("wrk", *load, linked.url)
    found = re.search(r"(\d+) requests in ", said)
    assert found is not None, said
    acknowledged = int(found[1])
    assert acknowledged > 0
    assert "Non-2xx or 3xx" not in said
    assert "Socket errors" not in said
    processes.relay()
    # The service goes on with what wrk left in flight: stopped, it has answered or dropped it.
    assert linked.service.stop().code == 0
    stored = drained(sql)
    assert acknowledged <= stored["clicks"] <= acknowledged + connections, said
    assert stored["dead_letters"] == 0
    processes.cli("relay", "verify")
