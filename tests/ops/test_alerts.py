"""The alerts of ops/alerts: they are about metrics there are, and the runbook has each."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.rules.test_docs import metrics
from tests.support.processes import REPOSITORY

ALERTS = REPOSITORY / "ops" / "alerts"
RULES = (ALERTS / "everyclick.rules.yml").read_text("utf-8")
RUNBOOK = (REPOSITORY / "ops" / "runbook.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\beveryclick_\w+", RULES))))
def test_every_metric_exists(name: str) -> None:
    """An alert about a metric that nobody exports would never fire."""
    assert name in metrics()


@pytest.mark.parametrize("alert", re.findall(r"- alert: (\w+)", RULES))
def test_every_alert_is_in_the_runbook(alert: str) -> None:
    """Under a heading of its name, which says what to do."""
    assert re.search(rf"^### {alert}$", RUNBOOK, re.MULTILINE)


@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="THE ALERTS ARE NOT TESTED: promtool is missing (Debian: apt install prometheus)",
)
@pytest.mark.parametrize(
    "arguments", [("check", "everyclick.rules.yml"), ("test", "everyclick.test.yml")]
)
def test_promtool(arguments: tuple[str, str]) -> None:
    """promtool reads the rules, and they fire when they should and not before."""
    deed, name = arguments
    done = subprocess.run(
        ["promtool", deed, "rules", name], cwd=ALERTS, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
