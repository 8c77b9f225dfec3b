"""The file of `plan --out`, which `apply FILE` applies as it was reviewed or not at all."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infrastructure.errors import PlatformError
from infrastructure.planning.plan_document import Change, moved, summary_of
from infrastructure.settings import Settings

_FORMAT = 1
_AGAIN = "Plan again, and review that."


@dataclass(frozen=True, slots=True)
class ReviewedPlan:
    """What was planned: for which account, of which parts, and every change."""

    account: str
    region: str
    environment: str
    only: tuple[str, ...]
    except_: tuple[str, ...]
    changes: list[Change]

    def require_unmoved(self, now: Sequence[Change]) -> None:
        """Raises PlatformError unless these are the changes that were reviewed."""
        require_same(self.changes, now, "was planned")


def require_same(before: Sequence[Change], now: Sequence[Change], when: str) -> None:
    """Raises PlatformError that names what would change otherwise than before."""
    if others := moved(before, now):
        told = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        raise PlatformError("plan", f"the account, or what is to be, has changed since it {when}: {told}", _AGAIN)


def document(settings: Settings, arguments: argparse.Namespace, changes: Sequence[Change]) -> dict[str, Any]:
    """A plan as --json prints it and --out writes it."""
    return {
        "format": _FORMAT,
        "account": settings.account_id,
        "region": settings.region,
        "environment": settings.environment,
        "only": list(arguments.only),
        "except": list(arguments.except_),
        "summary": summary_of(changes),
        "changes": list(changes),
    }


def write_plan(file: str, plan: dict[str, Any]) -> None:
    try:
        Path(file).write_text(json.dumps(plan, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise PlatformError(file, f"cannot be written ({error.strerror})", "Name another file with --out.") from None


def read_plan(file: str, settings: Settings) -> ReviewedPlan:
    """The plan of a file. Raises PlatformError if it cannot be read, or is of another account or environment."""
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
        if found["format"] != _FORMAT:
            raise PlatformError(file, f"is of format {found['format']}, this program's is {_FORMAT}", _AGAIN)
        plan = ReviewedPlan(
            found["account"],
            found["region"],
            found["environment"],
            tuple(found["only"]),
            tuple(found["except"]),
            list(found["changes"]),
        )
    except OSError as error:
        raise PlatformError(file, f"cannot be read ({error.strerror})", "Name a file of plan --out.") from None
    except (ValueError, KeyError, TypeError):
        raise PlatformError(file, "is no plan", "Name a file of plan --out.") from None
    where = {"account": settings.account_id, "region": settings.region, "environment": settings.environment}
    for name, here in where.items():
        if getattr(plan, name) != here:
            raise PlatformError(
                file, f"is a plan for {name} {getattr(plan, name)}, and this is {here}; nothing was changed", _AGAIN
            )
    return plan
