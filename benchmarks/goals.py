"""The goals of a benchmark, printed as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Goal(NamedTuple):
    """A figure that was measured, and the most that it may be."""

    what: str
    measured: float
    most: float


def print_goals(goals: Sequence[Goal]) -> bool:
    """Print them; whether all are met."""
    print("\n| goal | at most | measured | |\n|---|---:|---:|---|")
    for goal in goals:
        verdict = "met" if goal.measured <= goal.most else "MISSED"
        print(f"| {goal.what} | {goal.most:g} | {goal.measured:.3g} | {verdict} |")
    return all(goal.measured <= goal.most for goal in goals)
