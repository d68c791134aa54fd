"""What refused events have in common."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from relay.resemblance import MOST, Resemblance


def learned(passed: Sequence[Sequence[int]], refused: Sequence[Sequence[int]]) -> Resemblance:
    """One that has seen these events."""
    resemblance = Resemblance()
    for traits in refused:
        resemblance.learn(traits, refused=True)
    for traits in passed:
        resemblance.learn(traits, refused=False)
    return resemblance


@pytest.mark.parametrize(
    "passed, refused, avoided",
    [
        ([], [], []),
        ([[1, 2]], [], []),
        ([], [[1, 2]], []),
        ([], [[1, 2], [1, 3]], [1]),
        ([[1, 4]], [[1, 2], [1, 3]], []),
        ([[4, 5]], [[1, 2], [1, 3]], [1]),
        ([[1, 5]], [[1, 2], [1, 2]], [2]),
        ([], [[1], [1], [2], [2]], [1, 2]),
        ([], [[1], [1], [2]], []),
        ([], [[1, 2], [1, 2], [1, 3], [1, 3]], [1]),
    ],
)
def test_what_they_share_and_no_other_has(
    passed: Sequence[Sequence[int]], refused: Sequence[Sequence[int]], avoided: Sequence[int]
) -> None:
    """Few traits, each of two refused events or more, that tell all of them from all others."""
    resemblance = learned(passed, refused)
    assert set(avoided) == resemblance.avoided()
    assert len(passed) + len(refused) == resemblance.tried


def test_too_many_kinds_are_no_kind() -> None:
    """Each event that waits is compared with every trait: past so many, none is told."""
    kinds = [[kind] for kind in range(MOST)]
    resemblance = learned([], kinds * 2)
    assert set(range(MOST)) == resemblance.avoided()
    for _ in range(2):
        resemblance.learn([MOST], refused=True)
    assert not resemblance.avoided()
