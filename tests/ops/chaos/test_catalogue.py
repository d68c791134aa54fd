"""The table of scenarios, and how some of them are chosen."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ops.chaos.__main__ import options
from ops.chaos.catalogue import CATALOGUE, chosen
from tests.support.processes import REPOSITORY

SMOKE = {"F01", "F03", "F08", "F14", "F16", "F21", "F23", "F38", "F56"}


def test_names_are_given_once() -> None:
    """No two scenarios have one name."""
    names = [scenario.name for scenario in CATALOGUE]
    assert sorted(set(names)) == sorted(names)


def test_the_smoke_set_is_short() -> None:
    """Nine scenarios that together inject for a third of the five minutes they may take."""
    found = chosen(None, full=False)
    assert {scenario.name for scenario in found} == SMOKE
    assert sum(scenario.seconds for scenario in found) <= 100


def test_the_whole_matrix_fits_into_an_hour() -> None:
    """All but the soak, with about 15 s to set each up, calm down and count, and its last fault to heal."""
    found = chosen(None, full=True)
    assert {each.name for each in CATALOGUE} - {"SOAK"} == {each.name for each in found}
    assert sum(each.seconds + each.hold[1] + 15 for each in found) <= 3600


def test_some_are_chosen_by_name() -> None:
    """At their own length, unless told otherwise."""
    assert ["F16"] == [each.name for each in chosen("F16", full=False)]
    assert [3.0] == [each.seconds for each in chosen("F16", full=False, seconds=3.0)]
    with pytest.raises(ValueError, match="nothing is called F99"):
        chosen("F16,F99", full=False)
    with pytest.raises(SystemExit):
        options(["--only", "F99"])


def test_a_soak_can_be_short() -> None:
    """Its beat is chosen like its length; whatever is no soak has none."""
    assert [60.0, None] == [each.beat for each in chosen("F16,SOAK", full=False)][::-1]
    assert [5.0, None] == [each.beat for each in chosen("F16,SOAK", full=False, beat=5.0)][::-1]


@pytest.mark.process
def test_the_list_tells_them_all() -> None:
    """`--list` starts nothing and prints each name."""
    done = subprocess.run(
        [sys.executable, "-m", "ops.chaos", "--list"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [each.name for each in CATALOGUE] == [
        line.split()[0] for line in done.stdout.splitlines()
    ]
