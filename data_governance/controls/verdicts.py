"""Whether the account meets the controls: each is judged on what the account answers, never on what was intended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from data_governance.controls import CONTROLS
from data_governance.controls.control import Control, Subject
from infrastructure.planning.plan import Reading
from infrastructure.planning.resource import Resource, Unsupported, references
from infrastructure.settings import Settings


class Status(Enum):
    """How a control stands. Only MET is good; NOT_ASKED says that the settings make nothing that it is about."""

    MET = "met"
    FAILED = "failed"
    UNKNOWN = "not evaluated"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One control on one resource. faults: what fails it, or why it could not be evaluated; looked_at: the properties
    that it was judged by.
    """

    resource: str
    status: Status
    faults: tuple[str, ...]
    looked_at: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One control on all its resources."""

    control: Control
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        found = {finding.status for finding in self.findings}
        for worst in (Status.FAILED, Status.UNKNOWN, Status.MET):
            if worst in found:
                return worst
        return Status.NOT_ASKED

    def of(self, status: Status) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.status is status)


def verdicts(settings: Settings, resources: Sequence[Resource], readings: Mapping[str, Reading]) -> tuple[Verdict, ...]:
    """Every control, judged. readings: what the account answers, by the ids of the resources (read_all)."""
    return tuple(judge(control, settings, resources, readings) for control in CONTROLS)


def judge(
    control: Control, settings: Settings, resources: Sequence[Resource], readings: Mapping[str, Reading]
) -> Verdict:
    """One control. A resource that does not exist fails it: absence protects nothing."""
    about = _about(control, settings, resources, readings)
    return Verdict(control, tuple(_finding(control, settings, each, readings) for each in about))


def _about(
    control: Control, settings: Settings, resources: Sequence[Resource], readings: Mapping[str, Reading]
) -> Iterator[Resource]:
    if not control.asked(settings):
        return
    for resource in resources:
        named = not control.only or any(part in resource.name for part in control.only)
        exempt = any(part in resource.name for part in control.exempt)
        there = resource.wanted or readings[resource.id].actual is not None
        if there and resource.type in control.types and named and not exempt:
            yield resource


def _finding(control: Control, settings: Settings, resource: Resource, readings: Mapping[str, Reading]) -> Finding:
    reading = readings[resource.id]
    name = f"{resource.type.removeprefix('AWS::')} {resource.name}"
    if reading.unsupported:
        return Finding(name, Status.UNKNOWN, (reading.unsupported,), {})
    if reading.actual is None:
        lacking = [id_ for id_ in sorted(references(resource.properties)) if _is_unsupported(readings, id_)]
        if lacking:  # it can't exist here
            return Finding(name, Status.UNKNOWN, (f"needs {lacking[0]}, which this endpoint does not have",), {})
        return Finding(name, Status.FAILED, ("does not exist",), {})
    subject = Subject(resource.name, resource.type, settings, reading.actual)
    try:
        faults = tuple(control.check(subject))
    except Unsupported as unsupported:
        return Finding(name, Status.UNKNOWN, (unsupported.reason,), subject.looked_at)
    except Exception as error:  # a form that nobody expects must neither pass nor end the command
        why = f"is answered in a form that this control does not know ({type(error).__name__}: {error})"
        return Finding(name, Status.UNKNOWN, (why,), subject.looked_at)
    return Finding(name, Status.FAILED if faults else Status.MET, faults, subject.looked_at)


def _is_unsupported(readings: Mapping[str, Reading], id_: str) -> bool:
    return id_ in readings and bool(readings[id_].unsupported)
