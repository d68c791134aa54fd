"""What can go wrong with the drill itself.

ChaosError     a scenario could not be carried out; says why
└── Missing    this machine lacks what it needs; the scenario is left out
"""

from __future__ import annotations


class ChaosError(Exception):
    """A scenario could not be carried out."""


class Missing(ChaosError):
    """Something that the scenario needs is not on this machine."""
