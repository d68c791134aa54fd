"""Whatever happens in whatever order: no click is lost, none is counted twice, rollups are clicks."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, settings

from tests.model.machine import run
from tests.support.clones import Template

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))
"""So many runs instead of the few that are the same each time; on failure the way there is printed."""

SETTINGS = settings(
    max_examples=EXAMPLES or 40,
    stateful_step_count=int(os.environ.get("MODEL_STEPS", "40")),
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.timeout(600 if not EXAMPLES else 0)  # a minute, more on a busy machine
def test_pipeline(template: Template) -> None:
    """After each of many random steps every invariant holds; the end finds every click."""
    with asyncio.Runner() as runner:
        run(template, runner, SETTINGS)
