"""One setting of the account broken by hand: what plan shows of it, and which controls fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.provisioning.account import EmulatedAccount
from tests.provisioning.governance.redshift_service import RedshiftService

OTHER = "210987654321"
OTHER_ROOT = f"arn:aws:iam::{OTHER}:root"
ADDRESS = "oncall@bank.example"


@dataclass
class WholeAccount(EmulatedAccount):
    """An account in which all parts are emulated, the warehouse too."""

    redshift: RedshiftService = field(default_factory=RedshiftService)


ByHand = Callable[[WholeAccount], object]


@dataclass(frozen=True)
class Mutation:
    """type: of the one resource that plan shows; path: of the difference that is among those shown; old, new: its
    values, where they matter; controls: those that fail, and no other; foreign: part of what plan shows as set by
    others, instead of a change; undo: takes back what apply leaves alone.
    """

    type: str
    path: str
    by_hand: ByHand
    controls: str = ""
    old: Any = ...
    new: Any = ...
    foreign: str = ""
    undo: ByHand | None = None


Rows = dict[str, Mutation]
Edit = Callable[[list[Any]], object]


def statement_of(statements: list[Any], sid: str) -> Any:
    return next(each for each in statements if each["Sid"] == sid)


def change(sid: str, **parts: Any) -> Edit:
    """An edit of a policy that changes parts of a statement; a part that is None goes."""

    def edit(statements: list[Any]) -> None:
        found = statement_of(statements, sid)
        for name, value in parts.items():
            if value is None:
                found.pop(name, None)
            else:
                found[name] = value

    return edit


def drop(sid: str) -> Edit:
    return lambda statements: statements.remove(statement_of(statements, sid))


def add(**statement: Any) -> Edit:
    return lambda statements: statements.append({"Sid": "Hole", "Effect": "Allow", **statement})


def edited(policy: Any, edit: Edit) -> str:
    """A policy after an edit of its statements, as text."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    edit(document["Statement"])
    return json.dumps(document)


def policy_of(**statement: Any) -> str:
    """A policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})
