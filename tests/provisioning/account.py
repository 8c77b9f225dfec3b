"""An emulated account for the provisioning tests: moto in process, with every call recorded by botocore's hooks."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from infrastructure import provisioning
from infrastructure.aws import clients
from infrastructure.aws.clients import AwsClients
from infrastructure.planning.apply import Report
from infrastructure.planning.plan import Plan, Step
from infrastructure.planning.resource import Resource
from infrastructure.settings import Settings

# The parts that most tests provision; the others only take time.
CORE = ("security", "data_storage", "data_ingestion")

_READING = re.compile(r"(Get|List|Describe|Head|BatchGet|Search)")


class Killed(BaseException):
    """Stands for the process being killed; handlers of ordinary errors do not catch it."""


@dataclass
class Calls:
    """The calls made, as "service.Operation", and what to do before or after one of them."""

    made: list[str] = field(default_factory=list)
    mutated: int = 0  # so many of them change something
    before: Callable[[str, int], None] = lambda name, mutating: None
    after: Callable[[str, int], None] = lambda name, mutating: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def mutating(self) -> list[str]:
        return [name for name in self.made if is_mutating(name)]

    def note(self, name: str) -> int:
        """Keep a call; how many that change something were made, with it."""
        with self.lock:
            self.made.append(name)
            self.mutated += is_mutating(name)
            return self.mutated

    def clear(self) -> None:
        self.made.clear()
        self.mutated = 0


@cache
def is_mutating(name: str) -> bool:
    return not _READING.match(name.partition(".")[2])


class RecordingClients(AwsClients):
    """Clients whose calls are recorded. emulated=False makes the code treat moto as AWS itself."""

    def __init__(self, region: str, calls: Calls, emulated: bool = True) -> None:
        super().__init__(region, emulated=emulated)
        self.calls = calls

    def _make(self, service: str) -> Any:
        client = super()._make(service)
        client.meta.events.register("before-call", self._before, unique_id=f"record-{id(self)}")
        client.meta.events.register("after-call", self._after, unique_id=f"recorded-{id(self)}")
        return client

    def _before(self, model: Any, **_: Any) -> None:
        name = f"{model.service_model.endpoint_prefix}.{model.name}"
        count = self.calls.note(name)
        if is_mutating(name):
            self.calls.before(name, count)

    def _after(self, model: Any, **_: Any) -> None:
        name = f"{model.service_model.endpoint_prefix}.{model.name}"
        if is_mutating(name):
            self.calls.after(name, self.calls.mutated)


@dataclass
class EmulatedAccount:
    """The account: settings, clients, and plan, apply and destroy on it, of these parts (all where there is none)."""

    settings: Settings
    calls: Calls = field(default_factory=Calls)
    emulated: bool = True
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.emulated:
            clients.forget()  # clients are cached, and one account's hooks must not reach the next account
        self.clients = RecordingClients(self.settings.region, self.calls, self.emulated)
        self.embedded = provisioning.Embedded(lambda: provisioning.PLACEHOLDER_ZIP)

    def client(self, service: str) -> Any:
        return self.clients(service)

    def plan(self, **options: Any) -> Plan:
        return provisioning.plan(self.settings, clients=self.clients, embedded=self.embedded, **self._of(options))

    def apply(self, **options: Any) -> Report:
        return provisioning.apply(self.settings, clients=self.clients, embedded=self.embedded, **self._of(options))

    def destroy(self, **options: Any) -> Report:
        return provisioning.destroy(self.settings, clients=self.clients, **self._of(options))

    def resources(self) -> list[Resource]:
        found = provisioning.gather(self.settings, self.clients, self.embedded)
        return [resource for resource in found if not self.parts or resource.part in self.parts]

    def _of(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with this account's parts, and without what lies in their folders and is none of them."""
        only = options.get("only", self.parts)
        within = [part for part, folder in provisioning.FOLDER_OF.items() if folder in self.parts]
        left_out = [part for part in within if part not in (*self.parts, *only)]
        return options | {"only": only, "except_": [*left_out, *options.get("except_", ())]}

    def step(self, type_: str, name: str = "") -> Step:
        """The planned step of the one resource of this type (whose name has this ending)."""
        found = [
            step
            for step in self.plan().steps
            if step.resource.type == type_ and (not name or step.resource.name.endswith(name))
        ]
        assert len(found) == 1, [step.resource.id for step in found]
        return found[0]


def service_error(code: str, operation: str, message: str = "", status: int = 400) -> ClientError:
    """An error as a service answers it."""
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
