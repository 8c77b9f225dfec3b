"""Carry a plan out: each step after those it depends on, independent steps at the same time.

If a step fails, the steps that need it are skipped and all others go on, so that one apply does as much as it can.
Nothing is remembered between two runs: the next apply reads what exists and does the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import Enum
from graphlib import TopologicalSorter

from infrastructure.errors import PlatformError
from infrastructure.planning import waiting
from infrastructure.planning.aws_errors import explain, is_already_there, unsupported_reason
from infrastructure.planning.plan import THREADS, Action, Plan, Step, changed, compare, dependencies
from infrastructure.planning.resource import Properties, Resource, Unsupported, has_unknown, references, resolve

_READS_AFTER_CREATE = 10  # AWS may show a new resource a few seconds late
_READ_PAUSE_SECONDS = 1.5


class Outcome(Enum):
    """How a step ended."""

    STARTED = "started"  # progress only
    DONE = "done"
    UNCHANGED = "unchanged"  # a value that the plan could not know turned out to be right
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    SKIPPED = "skipped"  # something it needs failed
    KEPT = "kept"  # destroy: holds data, or something that stays needs it
    DELETION_PENDING = "deletion pending"  # destroy: deletion has begun, or has to wait


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one step. note: the reason, or what stays and until when."""

    resource: Resource
    action: Action
    outcome: Outcome
    seconds: float = 0.0
    note: str = ""
    error: PlatformError | None = None
    unsupported: Mapping[str, str] = field(default_factory=dict)


Progress = Callable[[Result], None]


@dataclass(frozen=True, slots=True)
class Report:
    """All results, in the order in which they ended, and the outputs of every resource that was read or made."""

    results: tuple[Result, ...]
    outputs: dict[str, Properties | None]

    def of(self, *outcomes: Outcome) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.outcome in outcomes)

    @property
    def changed(self) -> tuple[Result, ...]:
        return self.of(Outcome.DONE, Outcome.DELETION_PENDING)

    @property
    def errors(self) -> tuple[PlatformError, ...]:
        return tuple(result.error for result in self.results if result.error)

    def raise_for_errors(self) -> None:
        """Raise the first error, with the number of the others."""
        if not self.errors:
            return
        first, *others = self.errors
        if not others:
            raise first
        raise PlatformError(first.where, f"{first.what} (and {len(others)} more failed)", first.todo) from first


def execute(
    plan: Plan,
    *,
    emulated: bool = False,
    on_progress: Progress | None = None,
) -> Report:
    """Make the plan's changes. Never raises for a resource's failure: see Report.raise_for_errors."""
    run = _Run(dict(plan.outputs), emulated, on_progress or (lambda result: None))
    steps = {step.resource.id: step for step in plan.steps}
    graph = _execution_order(steps)
    run_graph(graph, steps, run.step)
    return Report(tuple(run.results), run.outputs)


def _execution_order(steps: Mapping[str, Step]) -> dict[str, set[str]]:
    """Steps that must run first: creates follow their dependencies, deletes precede them."""
    graph: dict[str, set[str]] = {id_: set() for id_ in steps}
    removed = {id_ for id_, step in steps.items() if step.action is Action.DELETE}
    for id_, step in steps.items():
        for needed in dependencies(step.resource) & steps.keys():
            before, after = (id_, needed) if {id_, needed} <= removed else (needed, id_)
            graph[after].add(before)
    return graph


def run_graph(graph: Mapping[str, Iterable[str]], steps: Mapping[str, Step], act: Callable[[Step], None]) -> None:
    """Call act once for every step, after the steps that its graph entry names; up to THREADS at the same time."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    running: dict[Future[None], str] = {}
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="apply")
    waiting.resume()
    try:
        while sorter.is_active():
            for id_ in sorter.get_ready():
                running[pool.submit(act, steps[id_])] = id_
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                sorter.done(running.pop(future))
                future.result()
    except BaseException:
        waiting.interrupt()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # after an interrupt, running calls end and no new ones start


@dataclass(slots=True)
class _Run:
    outputs: dict[str, Properties | None]
    emulated: bool
    on_progress: Progress
    results: list[Result] = field(default_factory=list)
    unavailable: dict[str, Outcome] = field(default_factory=dict)

    def step(self, step: Step) -> None:
        """One step, with its errors turned into a result."""
        resource = step.resource
        if step.action is Action.UNSUPPORTED:
            self.unavailable[resource.id] = Outcome.UNSUPPORTED
            return self._end(step, Outcome.UNSUPPORTED, 0.0, note=step.unsupported.get("", ""))
        if not step.is_change:
            return None
        obstacle = self._obstacle(resource)
        if obstacle:
            outcome, note = obstacle
            self.unavailable[resource.id] = outcome
            return self._end(step, outcome, 0.0, note=note)
        self.on_progress(Result(resource, step.action, Outcome.STARTED))
        started = time.monotonic()
        try:
            outcome, note = self._act(step)
        except Unsupported as unsupported:
            return self._unsupported(step, unsupported.reason, unsupported.properties, time.monotonic() - started)
        except Exception as error:
            reason = unsupported_reason(error, resource.clients.emulated)
            if reason:
                return self._unsupported(step, reason, (), time.monotonic() - started)
            self.unavailable[resource.id] = Outcome.FAILED
            fault = explain(error, f"{resource.type} {resource.name}")
            return self._end(step, Outcome.FAILED, time.monotonic() - started, error=fault)
        return self._end(step, outcome, time.monotonic() - started, note=note)

    def _act(self, step: Step) -> tuple[Outcome, str]:
        if step.refusal:
            raise step.refusal
        if step.action is Action.DELETE:
            pending = step.resource.delete()
            return (Outcome.DELETION_PENDING, pending.note) if pending else (Outcome.DONE, "")
        if step.action is Action.CREATE:
            self._create(step.resource)
            return Outcome.DONE, ""
        return self._update(step.resource, step.actual or {})

    def _create(self, resource: Resource) -> None:
        properties = resolve(resource.properties, self.outputs)
        try:
            resource.create(properties)
        except Exception as error:
            if not is_already_there(error):
                raise
            actual = self._read_other(resource, error)
        else:
            actual = self._read_new(resource)
        self.outputs[resource.id] = actual
        desired = resource.desired(self.outputs)
        left = frozenset(changed(compare(resource, actual, desired, self.emulated))) - resource.immutable
        if left:
            resource.update(left, desired)

    def _read_new(self, resource: Resource) -> Properties:
        for attempt in range(_READS_AFTER_CREATE):
            if attempt:
                waiting.pause(_READ_PAUSE_SECONDS)
            actual = resource.read()
            if actual is not None:
                return actual
        raise PlatformError(
            f"{resource.type} {resource.name}", "was made but does not show up", "Repeat the command; it resumes."
        )

    def _read_other(self, resource: Resource, error: Exception) -> Properties:
        """What somebody else has made since the plan. If it is not to be seen, what refused us is something else."""
        try:
            return self._read_new(resource)
        except PlatformError:
            raise error from None

    def _update(self, resource: Resource, actual: Properties) -> tuple[Outcome, str]:
        properties = resource.desired(self.outputs)
        names = changed(compare(resource, actual, properties, self.emulated))
        blocked = names & resource.immutable
        if blocked:
            raise PlatformError(
                f"{resource.type} {resource.name}",
                f"{', '.join(sorted(blocked))} cannot be changed in place",
                "Move its data away, remove it and apply again; or set the old value in the settings.",
            )
        if not names:
            return Outcome.UNCHANGED, ""
        resource.update(names, properties)
        return Outcome.DONE, ""

    def _obstacle(self, resource: Resource) -> tuple[Outcome, str] | None:
        """Why a step cannot be tried: a dependency failed, or this endpoint does not provide an output it needs."""
        for id_ in sorted(dependencies(resource) & self.unavailable.keys()):
            if self.unavailable[id_] is not Outcome.UNSUPPORTED:
                return Outcome.SKIPPED, f"needs {id_}, which failed"
        if not resource.wanted:
            return None
        if has_unknown(resolve(resource.properties, self.outputs)):
            lacking = sorted(references(resource.properties) & self.unavailable.keys())
            return Outcome.UNSUPPORTED, f"needs {lacking[0] if lacking else 'an output that this endpoint lacks'}"
        return None

    def _unsupported(self, step: Step, reason: str, properties: tuple[str, ...], seconds: float) -> None:
        if not properties:
            self.unavailable[step.resource.id] = Outcome.UNSUPPORTED
        self._end(step, Outcome.UNSUPPORTED, seconds, note=reason, unsupported=dict.fromkeys(properties, reason))

    def _end(
        self,
        step: Step,
        outcome: Outcome,
        seconds: float,
        note: str = "",
        error: PlatformError | None = None,
        unsupported: Mapping[str, str] | None = None,
    ) -> None:
        result = Result(step.resource, step.action, outcome, seconds, note, error, unsupported or {})
        self.results.append(result)
        self.on_progress(result)
