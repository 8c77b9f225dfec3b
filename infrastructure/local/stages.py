"""The stages of a run: timed, drawn as bars in the terminal, and remembered as they went on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

STAGES = ("provision", "produce", "land", "curate", "load", "reconcile")
_SAMPLE_SECONDS = 0.2


@dataclass(slots=True)
class Stage:
    """A stage so far. began, seconds: since the run's start, and its wall time (None until it has ended).

    total: how many records are expected, None if unknown. course: (seconds since the run's start, records by then).
    """

    name: str
    began: float
    total: int | None
    records: int = 0
    seconds: float | None = None
    note: str = ""
    course: list[tuple[float, int]] = field(default_factory=list)

    @property
    def records_per_second(self) -> float:
        return self.records / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, float]:
        return {"seconds": round(self.seconds or 0.0, 3), "records_per_second": round(self.records_per_second, 1)}


class _Rate(ProgressColumn):
    """Records per second: over the last seconds, or over the whole stage once it has ended."""

    def render(self, task: Task) -> Text:
        speed = task.completed / task.elapsed if task.finished and task.elapsed else task.speed
        return Text(f"{speed:,.0f}/s" if speed and task.completed else "", style="cyan")


class Stages:
    """Times the stages and draws a bar for each."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started_at = datetime.now(UTC)
        self._clock = time.monotonic()
        self._begun: dict[str, Stage] = {}
        self.bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            redirect_stdout=False,  # the function's log goes to a file
        )
        self._tasks = {
            name: self.bars.add_task(name, start=False, total=None, note="", visible=False) for name in STAGES
        }

    @property
    def begun(self) -> dict[str, Stage]:
        """The stages that have begun, in the order of STAGES."""
        return {name: self._begun[name] for name in STAGES if name in self._begun}

    @property
    def elapsed(self) -> float:
        """Seconds since the run's start."""
        return time.monotonic() - self._clock

    @contextlib.contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[StageBar]:
        """Time the code inside; the bar shows its progress."""
        stage = self._begun[name] = Stage(name, self.elapsed, total)
        bar = StageBar(stage, self)
        yield bar
        stage.seconds = self.elapsed - stage.began
        bar.finish()

    def _task(self, name: str) -> TaskID:
        return self._tasks[name]


class StageBar:
    """One stage's progress: records so far, and a note beside the bar."""

    def __init__(self, stage: Stage, stages: Stages) -> None:
        self._stage = stage
        self._stages = stages
        self._task = stages._task(stage.name)
        stages.bars.update(self._task, total=stage.total, visible=True)
        stages.bars.start_task(self._task)

    @property
    def records(self) -> int:
        return self._stage.records

    def at(self, records: int) -> None:
        stage, now = self._stage, self._stages.elapsed
        stage.records = records
        if not stage.course or now - stage.course[-1][0] >= _SAMPLE_SECONDS:
            stage.course.append((now, records))
        self._stages.bars.update(self._task, completed=records)

    def expect(self, total: int) -> None:
        self._stage.total = total
        self._stages.bars.update(self._task, total=total)

    def count(self, what: str) -> None:
        """Count one more, and show what it is."""
        self.at(self.records + 1)
        self.note(what)

    def note(self, text: str) -> None:
        self._stage.note = text
        self._stages.bars.update(self._task, note=text)

    def finish(self) -> None:
        self._stage.course.append((self._stages.elapsed, self.records))
        self._stage.note = ""
        done = max(self.records, 1)
        self._stages.bars.update(self._task, total=done, completed=done, note="")
        self._stages.bars.stop_task(self._task)
