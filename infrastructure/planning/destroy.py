"""Deletes in reverse dependency order. Data, and what data depends on, stays unless --delete-data.

A resource is kept if it holds data (Resource.keep), or if something that is kept depends on it: a bucket's key, the
role of a warehouse. If a deletion finds that something has to stay after all (objects under Object Lock), what that
depends on is kept too, and so is what guards it: a bucket's policy goes with the bucket, never before it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from infrastructure.planning.apply import Outcome, Progress, Report, Result, run_graph
from infrastructure.planning.aws_errors import explain, unsupported_reason
from infrastructure.planning.plan import Action, Reading, Step, dependencies, in_order, read_all
from infrastructure.planning.resource import DeletionPending, Resource, Unsupported


@dataclass(frozen=True, slots=True)
class Destruction:
    """What will be deleted, what is kept, and why; in the order of declaration."""

    steps: tuple[Step, ...]
    kept: dict[str, str]  # resource id -> why

    @property
    def deletions(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.action is Action.DELETE)

    def carry_out(self, on_progress: Progress | None = None) -> Report:
        """Delete. If a deletion fails, what the resource depends on stays; everything else goes on."""
        run = _Run(self, on_progress or (lambda result: None))
        steps = {step.resource.id: step for step in self.steps}
        run_graph(_deletion_order(steps), steps, run.step)
        return Report(tuple(run.results), {})


def _deletion_order(steps: Mapping[str, Step]) -> dict[str, set[str]]:
    """Steps that must run first: what depends on a resource is deleted before it, what guards it afterwards."""
    before: dict[str, set[str]] = {id_: set() for id_ in steps}
    for id_, step in steps.items():
        guarded = step.resource.guards
        for needed in _needed_by(step.resource, steps):
            first, then = (needed, id_) if needed == guarded else (id_, needed)
            before[then].add(first)
    return before


def _needed_by(resource: Resource, steps: Mapping[str, Step]) -> set[str]:
    """The steps' ids that a resource depends on. Whoever needs a guard needs what it guards."""
    direct = set(dependencies(resource) & steps.keys())
    return direct | ({steps[id_].resource.guards for id_ in direct} & steps.keys())


def plan_destruction(
    resources: Sequence[Resource], selected: Collection[str], *, delete_data: bool = False
) -> Destruction:
    """Which of the selected resources exist, and which of those will be deleted. Makes no mutating call."""
    ordered = in_order(resources)
    readings = read_all(ordered)
    kept: dict[str, str] = {}
    for resource in reversed(ordered):
        exists = readings[resource.id].actual is not None
        if exists and resource.keep and not delete_data and resource.id in selected:
            kept[resource.id] = resource.keep
        if resource.id in kept:
            for needed in dependencies(resource):
                kept.setdefault(needed, f"{resource.name} needs it")
    for resource in ordered:
        if resource.guards in kept:
            kept.setdefault(resource.id, "what it guards stays")
    chosen = [resource for resource in resources if resource.id in selected]
    steps = tuple(_step(resource, readings[resource.id], kept) for resource in chosen)
    return Destruction(steps, {id_: why for id_, why in kept.items() if id_ in selected})


def _step(resource: Resource, reading: Reading, kept: dict[str, str]) -> Step:
    if reading.unsupported:
        return Step(resource, Action.UNSUPPORTED, unsupported={"": reading.unsupported})
    goes = reading.actual is not None and resource.id not in kept
    return Step(resource, Action.DELETE if goes else Action.NONE, reading.actual)


@dataclass(slots=True)
class _Run:
    destruction: Destruction
    on_progress: Progress
    results: list[Result] = field(default_factory=list)
    needed: dict[str, str] = field(default_factory=dict)  # id -> why it has to stay: something that stays needs it
    lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self, step: Step) -> None:
        resource = step.resource
        if resource.id in self.destruction.kept and step.actual is not None:
            return self._end(step, Outcome.KEPT, note=self.destruction.kept[resource.id])
        if resource.id in self.needed:
            self._needs(resource, self.needed[resource.id])
        if step.action is not Action.DELETE:
            return None
        if resource.id in self.needed:
            return self._end(step, Outcome.KEPT, note=self.needed[resource.id])
        if resource.guards:
            return self._end_guard(step)
        self.on_progress(Result(resource, step.action, Outcome.STARTED))
        started = time.monotonic()
        try:
            pending = resource.delete()
        except Unsupported as unsupported:
            return self._end(step, Outcome.UNSUPPORTED, time.monotonic() - started, unsupported.reason)
        except Exception as error:
            return self._failed(step, error, time.monotonic() - started)
        if pending and pending.needs_dependencies:
            self._needs(resource, f"needed by {resource.name} {pending.until}".rstrip())
        return self._end(step, *_outcome(pending, time.monotonic() - started))

    def _end_guard(self, step: Step) -> None:
        """It has gone together with what it guards, or stays as long as that does."""
        gone = {result.resource.id for result in self.results if result.outcome is Outcome.DONE}
        if step.resource.guards in gone:
            return self._end(step, Outcome.DONE)
        return self._end(step, Outcome.KEPT, note="what it guards could not be removed")

    def _failed(self, step: Step, error: Exception, seconds: float) -> None:
        reason = unsupported_reason(error, step.resource.clients.emulated)
        if reason:
            return self._end(step, Outcome.UNSUPPORTED, seconds, reason)
        self._needs(step.resource, f"needed by {step.resource.name}, which could not be removed")
        fault = explain(error, f"{step.resource.type} {step.resource.name}")
        result = Result(step.resource, step.action, Outcome.FAILED, seconds, error=fault)
        return self._report(result)

    def _needs(self, resource: Resource, why: str) -> None:
        with self.lock:
            for needed in _needed_by(resource, {each.resource.id: each for each in self.destruction.steps}):
                self.needed.setdefault(needed, why)

    def _end(self, step: Step, outcome: Outcome, seconds: float = 0.0, note: str = "") -> None:
        self._report(Result(step.resource, step.action, outcome, seconds, note))

    def _report(self, result: Result) -> None:
        self.results.append(result)
        self.on_progress(result)


def _outcome(pending: DeletionPending | None, seconds: float) -> tuple[Outcome, float, str]:
    return (Outcome.DELETION_PENDING, seconds, pending.note) if pending else (Outcome.DONE, seconds, "")
