"""A plan as a document: for programs, and to apply later exactly what was reviewed. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infrastructure.planning.destroy import Destruction
from infrastructure.planning.plan import Action, Plan, Step

Change = dict[str, Any]


def changes_of(plan: Plan) -> list[Change]:
    """Each change of a plan, in the order of declaration."""
    return [_change(step) for step in plan.changes]


def deletions_of(destruction: Destruction) -> list[Change]:
    """Each deletion of a destruction, in the order of declaration."""
    return [_change(step) for step in destruction.deletions]


def unsupported_of(plan: Plan) -> list[dict[str, Any]]:
    """What this endpoint does not implement, by resource; "" stands for the whole of it."""
    return [{"id": step.resource.id, "reasons": step.unsupported} for step in plan.unsupported]


def foreign_of(plan: Plan) -> list[dict[str, str]]:
    """What others added to the platform's resources, which is left alone."""
    return [{"id": step.resource.id, "what": text} for step in plan.steps for text in step.foreign]


def summary_of(changes: Iterable[Change]) -> dict[str, int]:
    """How many resources are created, updated and deleted."""
    actions = [change["action"] for change in changes]
    return {action.value: actions.count(action.value) for action in (Action.CREATE, Action.UPDATE, Action.DELETE)}


def _change(step: Step) -> Change:
    resource = step.resource
    return {
        "id": resource.id,
        "part": resource.part,
        "action": step.action.value,
        "differences": [
            {"path": each.path, "old": _plain(each.old), "new": _plain(each.new)} for each in step.differences
        ],
        "cannot_change_in_place": sorted(step.blocked),
        "refusal": str(step.refusal) if step.refusal else None,
    }


def _plain(value: Any) -> Any:
    """The value as JSON gives it back."""
    return json.loads(json.dumps(value, default=repr))


def moved(reviewed: Iterable[Change], now: Iterable[Change]) -> list[str]:
    """The ids of the resources that would now change otherwise than was reviewed."""
    return sorted(_otherwise({each["id"]: each for each in reviewed}, {each["id"]: each for each in now}))


def _otherwise(before: Mapping[str, Change], after: Mapping[str, Change]) -> Iterator[str]:
    for id_ in before.keys() | after.keys():
        if before.get(id_) != after.get(id_):
            yield id_
