"""service/contract/loading.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.processes import REPOSITORY

ASK = """
import gc
from service.contract.loading import loading
try:
    with loading():
        print(gc.isenabled())
        import decimal
        {inside}
except LookupError:
    pass
print(gc.isenabled(), gc.get_freeze_count() > 1000)
"""


@pytest.mark.process
@pytest.mark.parametrize("inside", ["pass", "raise LookupError"])
def test_the_collector_rests(inside: str) -> None:
    """While code is loaded nothing is collected; afterwards all but what was loaded is, again."""
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(inside=inside)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ["False", "True", "True"] == done.stdout.split()
