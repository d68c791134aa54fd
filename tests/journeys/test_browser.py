"""A real browser clicks a short link on somebody's page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psycopg
import pytest

from tests.journeys.conftest import Measured
from tests.support.processes import Processes
from tests.support.target import site
from tests.support.traffic import drained, make_link
from tests.support.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.browser]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

PAGE = """<!doctype html><title>A page</title>
<a id="go" href="{url}">read more</a>
<script>addEventListener("load", () => document.getElementById("go").click())</script>
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    """The program, under whichever name it is installed."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed under any of the names {', '.join(NAMES)}")
    return found


def test_browser_arrives_and_is_counted(
    chromium: str,
    processes: Processes,
    sql: psycopg.Connection,
    tmp_path: Path,
    measured: Measured,
) -> None:
    """The click carries the page it was made on, and the browser's own words about itself."""
    service = processes.service()
    processes.relay()
    with site() as target, site() as elsewhere:
        make_link(sql, "browser", f"{target.url}/target")
        elsewhere.pages["/page"] = PAGE.format(url=f"{service.url}/browser")
        argv = [
            chromium,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-port=0",  # keeps it open; without, it ends once the page is loaded
            f"--user-data-dir={tmp_path / 'profile'}",
        ]
        if os.geteuid() == 0:
            argv.append("--no-sandbox")
        browser = processes.start_program([*argv, f"{elsewhere.url}/page"], cwd=tmp_path)
        try:
            browser.ready(lambda: target.visited("/target"), "arrival at the target")
        finally:
            browser.kill()
        (visit,) = target.visited("/target")
        until(lambda: drained(sql)["clicks"] == 1, "the click counted")
    click = sql.execute("SELECT referrer, user_agent FROM clicks").fetchone()
    # Across origins a browser tells the origin only: strict-origin-when-cross-origin.
    assert (f"{elsewhere.url}/", visit.headers["user-agent"]) == click
    assert "Mozilla/5.0" in visit.headers["user-agent"]
