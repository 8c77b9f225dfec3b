"""Describe what should exist, compare it with what does, and order the difference. The plan is data.

Two things are done with a plan: apply.py carries it out, scripts/commands/plan_view.py prints it. Both take the same
Step objects, so `plan` shows exactly the changes that `apply` makes.

    resources = [Stream(...), Key(...)]                 # desired; see infrastructure/planning/resource.py
    plan = make_plan(resources, emulated=False)         # reads, compares; no mutating call
    plan.changes                                        # [Step(resource, Action.CREATE, (Difference(...), ...))]
    execute(plan, on_progress=print)                    # infrastructure/planning/apply.py

How it goes:
1. Every resource that is selected, and every one that a selected one refers to, is read; all reads run at once.
2. In dependency order each desired property is resolved: a Ref takes the output of what was read, or stays
   KNOWN_AFTER_APPLY where that does not exist yet.
3. Desired and actual are brought to canonical form (policies by meaning, sets sorted, foreign tags ignored) and
   compared, place by place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from graphlib import CycleError, TopologicalSorter

from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import explain, unsupported_reason
from infrastructure.planning.compare import ABSENT, Difference, canonical, differences
from infrastructure.planning.resource import (
    KNOWN_AFTER_APPLY,
    UNSUPPORTED,
    Properties,
    Resource,
    Unsupported,
    has_unknown,
    references,
    resolve,
)

THREADS = 12  # reads and independent changes at the same time; AWS throttles control-plane calls beyond this


class Action(Enum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    NONE = "none"
    UNSUPPORTED = "unsupported"  # this endpoint does not implement it; no change


@dataclass(frozen=True, slots=True)
class Step:
    """One resource and what will be done with it.

    differences: old and new values, property by property; blocked: changed properties that cannot change in place;
    refusal: with what AWS will refuse the change (Resource.refusal); unsupported: property -> why this endpoint cannot
    hold it ("" stands for the whole resource).
    """

    resource: Resource
    action: Action
    actual: Properties | None = None
    differences: tuple[Difference, ...] = ()
    blocked: frozenset[str] = frozenset()
    refusal: PlatformError | None = None
    unsupported: dict[str, str] = field(default_factory=dict)

    @property
    def foreign(self) -> tuple[str, ...]:
        """What others added to it, which is left alone."""
        return tuple((self.actual or {}).get("Foreign") or ())

    @property
    def is_change(self) -> bool:
        return self.action in (Action.CREATE, Action.UPDATE, Action.DELETE)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order of declaration, and what was read of the resources that they refer to (by id)."""

    steps: tuple[Step, ...]
    outputs: dict[str, Properties | None]

    @property
    def changes(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.is_change)

    @property
    def left_over(self) -> tuple[Step, ...]:
        """Of what the settings leave out, what stays all the same because it holds data."""
        return tuple(
            step for step in self.steps if not step.resource.wanted and step.actual is not None and step.resource.keep
        )

    @property
    def unsupported(self) -> tuple[Step, ...]:
        """The steps that this endpoint implements only in part or not at all."""
        return tuple(step for step in self.steps if step.unsupported)


def make_plan(
    resources: Sequence[Resource],
    *,
    emulated: bool = False,
    selected: Collection[str] | None = None,
) -> Plan:
    """Compare the resources with what exists.

    selected: ids to plan for; the others only lend their outputs. Raises PlatformError if a read fails, or if a
    selected resource needs one that neither exists nor is selected.
    """
    ordered = in_order(resources)
    chosen = {resource.id for resource in ordered} if selected is None else set(selected)
    read = chosen.union(*(dependencies(resource) for resource in ordered if resource.id in chosen))
    needed = [resource for resource in ordered if resource.id in read]
    readings = read_all(needed)
    outputs = {
        id_: reading.actual
        for id_, reading in readings.items()
        if reading.actual is not None or (id_ in chosen and not reading.unsupported)
    }
    unavailable = {id_ for id_, reading in readings.items() if reading.unsupported}
    steps: list[Step] = []
    for resource in needed:
        reading = readings[resource.id]
        if resource.id in chosen:
            step = _step(resource, reading, outputs, emulated, unavailable)
            steps.append(step)
            if step.action is Action.UNSUPPORTED:
                unavailable.add(resource.id)
        elif reading.actual is None and not reading.unsupported:
            _require_for(resource, [other for other in needed if other.id in chosen])
    declared = {resource.id: place for place, resource in enumerate(resources)}
    return Plan(tuple(sorted(steps, key=lambda step: declared[step.resource.id])), outputs)


def _require_for(missing: Resource, chosen: Iterable[Resource]) -> None:
    for resource in chosen:
        if resource.wanted and missing.wanted and missing.id in _requirements(resource):
            raise PlatformError(
                f"{resource.type} {resource.name}",
                f"needs {missing.type} {missing.name} of {missing.part}, which does not exist",
                f"Apply {missing.part} first, or leave it selected.",
            )


def dependencies(resource: Resource) -> frozenset[str]:
    """The ids that come before this resource."""
    return _requirements(resource) | frozenset(resource.after)


def _requirements(resource: Resource) -> frozenset[str]:
    """The dependencies that must exist before this resource can."""
    return references(resource.properties) | frozenset(resource.depends_on)


def in_order(resources: Sequence[Resource]) -> list[Resource]:
    """The resources sorted so that each follows what it depends on; otherwise in the order given.

    Raises ValueError on an unknown id, a repeated one, or a cycle: these are faults of the code.
    """
    by_id = {resource.id: resource for resource in resources}
    if len(by_id) != len(resources):
        ids = [resource.id for resource in resources]
        raise ValueError(f"declared twice: {sorted({id_ for id_ in ids if ids.count(id_) > 1})}")
    graph = {resource.id: sorted(dependencies(resource)) for resource in resources}
    for id_, needs in graph.items():
        for needed in needs:
            if needed not in by_id:
                raise ValueError(f"{id_} depends on {needed}, which nothing declares")
    try:
        return [by_id[id_] for id_ in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise ValueError(f"the resources depend on each other in a circle: {' -> '.join(error.args[1])}") from error


@dataclass(frozen=True, slots=True)
class Reading:
    """What read() found, or why this endpoint cannot tell."""

    actual: Properties | None
    unsupported: str = ""


def read_all(resources: Sequence[Resource]) -> dict[str, Reading]:
    """Read every resource, many at once. Raises PlatformError for the first that fails."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="read") as pool:
        readings = pool.map(_read, resources)
        return {resource.id: reading for resource, reading in zip(resources, readings, strict=True)}


def _read(resource: Resource) -> Reading:
    try:
        return Reading(resource.read())
    except Unsupported as unsupported:
        return Reading(None, unsupported.reason)
    except Exception as error:
        reason = unsupported_reason(error, resource.clients.emulated)
        if reason:
            return Reading(None, reason)
        raise explain(error, f"{resource.type} {resource.name}") from error


def _step(
    resource: Resource,
    reading: Reading,
    outputs: dict[str, Properties | None],
    emulated: bool,
    unavailable: Collection[str],
) -> Step:
    lacking = sorted(references(resource.properties) & set(unavailable))
    if reading.unsupported or (lacking and resource.wanted):
        reason = reading.unsupported or f"needs {lacking[0]}"
        return Step(resource, Action.UNSUPPORTED, unsupported={"": reason})
    if not resource.wanted:
        stays = reading.actual is None or resource.keep or resource.is_leaving(reading.actual)
        return Step(resource, Action.NONE if stays else Action.DELETE, reading.actual)
    if reading.actual is None:
        desired = resolve(resource.properties, outputs)
        found = tuple(Difference(name, ABSENT, value) for name, value in desired.items())
        refusal = resource.refusal(desired, None)
        return Step(resource, Action.CREATE, None, found, refusal=refusal, unsupported=_ignored(resource, emulated))
    desired = resource.desired(outputs)
    found = tuple(compare(resource, reading.actual, desired, emulated))
    unsupported = _ignored(resource, emulated) | {
        name: "cannot be read here" for name in desired if reading.actual.get(name) is UNSUPPORTED
    }
    if not found:
        return Step(resource, Action.NONE, reading.actual, unsupported=unsupported)
    refusal = resource.refusal(desired, reading.actual)
    blocked = changed(found) & resource.immutable
    return Step(resource, Action.UPDATE, reading.actual, found, blocked, refusal, unsupported)


def _ignored(resource: Resource, emulated: bool) -> dict[str, str]:
    return {name: why for name, why in resource.not_emulated.items() if emulated and name in resource.properties}


def compare(resource: Resource, actual: Properties, desired: Properties, emulated: bool) -> Iterator[Difference]:
    """Where the actual properties differ from the desired (resolved) ones, by meaning."""
    for name, new in desired.items():
        old = actual.get(name)
        if old is UNSUPPORTED or (emulated and name in resource.not_emulated):
            continue
        if has_unknown(new):
            yield Difference(name, ABSENT if old is None else old, KNOWN_AFTER_APPLY)
            continue
        if name == "Tags" and isinstance(old, dict):
            old = {key: value for key, value in old.items() if key in new}  # tags that others set are left alone
        shape = {"unordered": name in resource.unordered, "policy": name in resource.policies}
        yield from differences(name, canonical(old, **shape), canonical(new, **shape))


def changed(found: Iterable[Difference]) -> frozenset[str]:
    """The names of the properties that the differences lie in."""
    return frozenset(difference.path.split(".", 1)[0].split("[", 1)[0] for difference in found)
