"""A remote account in memory, and resources in it, for tests of the planner and the executor without any AWS."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from infrastructure.planning.resource import DeletionPending, Properties, Resource


@dataclass
class Account:
    """What exists, the mutating calls made on it in order, and faults to raise on a call ("create a")."""

    things: dict[str, Properties] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)
    hooks: dict[str, Callable[[], object]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, name: str) -> None:
        if name in self.hooks:
            self.hooks[name]()
        with self.lock:
            self.calls.append(name)
        if name in self.faults:
            raise self.faults[name]


class NoClients:
    """For tests in which clients are expected but never called."""

    def __init__(self, emulated: bool = False) -> None:
        self.emulated = emulated

    def __call__(self, service: str) -> Any:
        raise AssertionError(f"asked for a client of {service}")


@dataclass(kw_only=True, eq=False)
class Thing(Resource):
    """A resource of the in-memory account; its output is its Arn. Creating it sets only what `at_create` names."""

    type: ClassVar[str] = "Test::Thing"
    immutable: ClassVar[frozenset[str]] = frozenset({"Engine"})
    unordered: ClassVar[frozenset[str]] = frozenset({"Members"})
    policies: ClassVar[frozenset[str]] = frozenset({"Policy"})
    not_emulated: ClassVar[dict[str, str]] = {"Rotation": "dropped"}

    part: str = "security"
    clients: Any = field(default_factory=NoClients)
    account: Account
    remains: DeletionPending | None = None

    def read(self) -> Properties | None:
        fault = self.account.faults.get(f"read {self.name}")
        if fault:
            raise fault
        found = self.account.things.get(self.name)
        return None if found is None else {**found, "Arn": f"arn:{self.name}"}

    def create(self, properties: Properties) -> None:
        self.account.call(f"create {self.name}")
        self.account.things[self.name] = {key: properties[key] for key in self.immutable & properties.keys()}

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.account.call(f"update {self.name} {','.join(sorted(changed))}")
        self.account.things[self.name] |= {key: properties[key] for key in changed}

    def delete(self) -> DeletionPending | None:
        self.account.call(f"delete {self.name}")
        if self.remains is None:
            self.account.things.pop(self.name, None)
        return self.remains
