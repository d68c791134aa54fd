"""The drill's arithmetic and telling, without anything being broken."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ops.chaos import report
from ops.chaos.recovery import recoveries
from ops.chaos.result import NEVER, Result, Target, targets, whole
from ops.chaos.scenario import Holds
from tests.oracle.availability import Availability, Injury
from tests.oracle.checks import Finding

CLEAN = [Finding("O1", "lost"), Finding("O2", "doubled"), Finding("O4", "rollup differences")]

RESULT = Result(
    name="F01",
    what="service killed",
    seconds=30.0,
    injected={"service killed": 3},
    requests=1100,
    acknowledged=1000,
    seen=Availability(found=0.97, broken=0, hopeless=0, slowest=2.0, p99=0.1),
    findings=CLEAN,
    found_again=[0.5, 1.5],
    counted_again=[0.2],
    settled=1.0,
    growth=0,
    drained=0.1,
    deadlocks=0,
    complaints=0,
    exits=[0, 0],
    fallen=[],
)


def result(**changes: Any) -> Result:
    """A result that differs in something."""
    return replace(RESULT, **changes)


def missed(given: Result, holds: Holds) -> list[str]:
    """The targets that a result does not reach."""
    return [target.what for target in targets(given, holds) if not target.holds]


def test_recoveries_count_from_fault_to_fault() -> None:
    """One still felt when the next struck is left out; the last one is never left out."""
    injuries = [Injury("a", 0, 1), Injury("b", 3, 4), Injury("c", 5, 6)]
    took: Mapping[float, float | None] = {1: 0.5, 4: 2.0, 6: 0.25}
    assert [0.5, 0.25] == recoveries(injuries, lambda injury: took[injury.over])
    assert [NEVER] == recoveries(injuries, lambda _: None)
    assert [] == recoveries([], lambda _: 1.0)


@pytest.mark.parametrize(
    "changes,holds,expected",
    [
        ({}, Holds(), []),
        ({}, Holds(found_again=1.0), ["302 again"]),
        ({}, Holds(counted_again=0.1), ["counted again"]),
        ({"found_again": [NEVER]}, Holds(), ["302 again"]),
        ({"found_again": []}, Holds(), []),
        ({}, Holds(found=0.999), ["share of 302"]),
        ({}, Holds(slowest=1.0), ["slowest answer"]),
        ({}, Holds(slowest=None, found_again=None), []),
        ({"settled": 0.98}, Holds(), ["share of 302, settled"]),
        ({"settled": None}, Holds(), []),
        ({"growth": 100}, Holds(), ["descriptors left open"]),
        ({"complaints": 1}, Holds(), ["traces in logs"]),
        ({"deadlocks": 1}, Holds(), ["deadlocks"]),
        ({"fallen": [1]}, Holds(), ["processes that fell by themselves"]),
        ({"exits": [0, None]}, Holds(), ["unclean ends"]),
        ({"drained": 31.0}, Holds(), ["seconds to an empty outbox"]),
    ],
)
def test_what_holds(changes: Mapping[str, Any], holds: Holds, expected: Sequence[str]) -> None:
    """Each thing that must hold is judged by itself; None is not judged."""
    assert expected == missed(result(**changes), holds)


@pytest.mark.parametrize(
    "changes",
    [
        {"findings": [Finding("O1", "lost", 1, ("request 7",))]},
        {"findings": [Finding("O4", "rollup differences", 2)]},
        {"seen": replace(RESULT.seen, broken=1)},
        {"found_again": [0.5, NEVER]},
        {"counted_again": [NEVER]},
    ],
)
def test_what_is_not_sound(changes: Mapping[str, Any]) -> None:
    """A finding of any check, an answer that nobody should get, or what did not come again."""
    assert [True, False] == [each.sound for each in (RESULT, result(**changes))]


def test_a_target_never_decides_whether_it_is_sound() -> None:
    """Late is not wrong: a missed target is told, and decides only for whoever asks for it."""
    late = result(targets=[Target("302 again", 30.0, 2.0)], found_again=[30.0])
    assert (True, False) == (late.sound, late.punctual)
    assert RESULT.punctual


def test_all_scenarios_are_summed_up() -> None:
    """Faults by kind, clicks, and what was wrong; recovery by median and worst."""
    lost = Finding("O1", "lost", 2)
    told = whole([RESULT, result(findings=[lost], injected={"relay killed": 4}, found_again=[9])])
    assert {"relay killed": 4, "service killed": 3} == told.injected
    assert (7, 2000, 2, 0, False) == (
        told.faults,
        told.acknowledged,
        told.lost,
        told.doubled,
        told.sound,
    )
    assert (1.5, 9.0) == told.found_again
    assert 3 / 2000 == told.upper_bound
    assert whole([]).found_again is None


def test_the_report_says_what_counts() -> None:
    """Clicks, losses, the bound, recovery against targets."""
    good = replace(RESULT, targets=[Target("302 again", 1.5, 2.0)])
    told = report.told([good], {}, {})
    assert "3 injected faults of 1 kinds, 1,000 acknowledged clicks: 0 lost" in told
    assert "less than 3e+03 in a million lost" in told
    assert "first 302 after a fault: median 1.00 s, worst 1.50 s" in told
    assert "1 of 1  302 again: 1.5 (≤ 2)" in told
    assert "targets missed" not in told


def test_the_report_says_what_is_wrong() -> None:
    """Where, what, an example, and where the evidence lies; what failed and what was left out."""
    bad = result(
        findings=[Finding("O1", "lost", 1, ("request 7",))],
        evidence="/somewhere",
        targets=[Target("302 again", NEVER, 2.0)],
    )
    told = report.told([bad], {"F02": "no way"}, {"F42": "needs root"})
    assert "WRONG in F01, evidence in /somewhere\nO1 lost: 1\n    request 7" in told
    assert "F01: 302 again never, should be at most 2" in told
    assert "FAILED F02: no way" in told
    assert "left out F42: needs root" in told
    assert "rule of three" not in told


def test_programs_get_the_same() -> None:
    """As JSON, with everything in it."""
    document = json.loads(report.as_json({"cores": 2}, {"seed": 1}, [RESULT], {}, {}))
    assert (3, 1000, 0) == tuple(document["whole"][n] for n in ("faults", "acknowledged", "lost"))
    assert ["F01"] == [scenario["name"] for scenario in document["scenarios"]]
