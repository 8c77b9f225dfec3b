"""Each alarm is raised by the fault that it is there for, by no other, and is over when the fault is mended.

docs/monitoring.md has the table; each row is held by the test that saw it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring.alarms import alarms, composite_alarms
from tests.faults.alarm_faults import FAULTS, Fault
from tests.faults.watched_pipeline import WatchedPipeline, watched_pipeline, watched_settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"
_WELL_MINUTES = 26  # before a fault: longer than any alarm but those of the job looks back
_MOST_MINUTES = 80  # after which an alarm is over


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedPipeline]:
    with watched_pipeline(tmp_path_factory.mktemp("watched") / "w") as opened:
        yield opened


def with_composites(fault: Fault) -> set[str]:
    """The alarms that a fault raises, and the composite ones that any of them raises."""
    composites = composite_alarms(watched_settings())
    return set(fault.raises) | {each.name for each in composites if fault.raises & set(each.any_of)}


def rows(fault: Fault, raised: dict[str, int], over: dict[str, int]) -> list[str]:
    return [f"| `{name}` | {fault.words} | {raised[name]} min | {over[name]} min |" for name in sorted(raised)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.words)
def test_a_fault_raises_exactly_its_alarms_and_they_are_over_once_it_is_mended(
    pipeline: WatchedPipeline, fault: Fault
) -> None:
    for _ in range(_WELL_MINUTES):
        pipeline.minute()
    assert "ALARM" not in pipeline.watch.states.values()
    raised: dict[str, int] = {}
    over: dict[str, int] = {}

    def look(minute: int) -> set[str]:
        now = {name for name, state in pipeline.minute().items() if state == "ALARM"}
        for name in now:
            raised.setdefault(name, minute)
            over.pop(name, None)
        return now

    with fault.broken(pipeline):
        for minute in range(1, fault.minutes + 1):
            look(minute)
    for minute in range(1, _MOST_MINUTES):
        now = look(fault.minutes + minute)
        for name in raised.keys() - now:
            over.setdefault(name, minute)
        if not now:
            break
    expected = with_composites(fault)
    assert raised.keys() == expected
    assert over.keys() == expected
    assert [row for row in rows(fault, raised, over) if row not in DOCUMENT.read_text(encoding="utf-8")] == []


def test_every_alarm_has_a_fault_that_raises_it() -> None:
    settings = watched_settings()
    named = {spec.name for spec in alarms(settings)} | {spec.name for spec in composite_alarms(settings)}
    assert named == {name for fault in FAULTS for name in with_composites(fault)}


def test_the_table_has_these_faults_and_no_others() -> None:
    table = DOCUMENT.read_text(encoding="utf-8").partition("## Each alarm is proven")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(cells) == sorted([f"`{name}`", fault.words] for fault in FAULTS for name in with_composites(fault))
