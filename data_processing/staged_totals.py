"""What a run's staged table holds, added up from its counted files. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from data_governance.control_totals import ControlKey, ControlTotals
from data_processing.run_files import FileCount, staged_path
from data_processing.transformations import CURATED, DISPOSITIONS, LEDGER, LINKING, PENDING, QUARANTINE

# The dispositions of staged rows that are curated -> kind of file.
CURATED_KINDS = {LEDGER: "curated", PENDING: "pending_transactions"}


@dataclass(slots=True)
class StagedTotals:
    """Totals by disposition, quarantine by reason, curated files by kind and path, and how many rows link two tokens of
    a card."""

    totals: dict[str, ControlTotals] = field(default_factory=lambda: {name: ControlTotals() for name in DISPOSITIONS})
    reasons: dict[str, int] = field(default_factory=dict)
    curated_files: dict[tuple[str, str], FileCount] = field(default_factory=dict)
    linked: int = 0

    @property
    def records(self) -> dict[str, int]:
        """By disposition."""
        return {name: totals.records for name, totals in self.totals.items()}

    @property
    def curated_records(self) -> int:
        return sum(self.totals[name].records for name in CURATED)


def staged_totals(counts: Iterable[Any], attempt: str) -> StagedTotals:
    """From the rows of transformations.staged_counts()."""
    found = StagedTotals()
    for row in counts:
        disposition, records = row["disposition"], row["records"]
        found.totals[disposition].add(
            ControlKey(row["currency"], row["credit_debit_indicator"]), row["amount"], records
        )
        if disposition == QUARANTINE:
            found.reasons[row["slice"]] = found.reasons.get(row["slice"], 0) + records
        if disposition in CURATED:
            file = CURATED_KINDS[disposition], staged_path(row["file"], attempt)
            bounds = row["first_at"], row["last_at"]
            found.curated_files.setdefault(file, FileCount()).add(records, event_time=bounds)
        if disposition in LINKING:
            found.linked += row["linked"]
    return found
