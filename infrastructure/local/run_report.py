"""What a run of the embedded stack reports: the content of run.json."""

from __future__ import annotations

import platform
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from data_governance.reconciliation import Imbalance, Measured, control_total_rows, imbalances
from data_ingestion.transaction_producer import ProduceReport

_PERCENTILES = (50, 95, 99)
_VERSIONED = ("boto3", "moto", "pyspark", "msgspec", "pyarrow", "psycopg")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's wall time and how many records passed it."""

    seconds: float
    records: int

    def as_json(self) -> dict[str, float]:
        rate = self.records / self.seconds if self.seconds else 0.0
        return {"seconds": round(self.seconds, 3), "records_per_second": round(rate, 1)}


@dataclass(slots=True)
class RunReport:
    """Everything that a run found out."""

    run_ids: list[str] = field(default_factory=list)
    measured: Measured = field(default_factory=Measured)
    stages: dict[str, Stage] = field(default_factory=dict)
    landing_ms: array[float] = field(default_factory=lambda: array("f"))
    produced: ProduceReport = field(default_factory=ProduceReport)
    given_up: int = 0
    java: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    restored_objects: int = 0

    @property
    def imbalances(self) -> list[Imbalance]:
        return imbalances(self.measured)

    @property
    def balanced(self) -> bool:
        return not self.imbalances and self.given_up == 0

    def as_json(self) -> dict[str, Any]:
        """The content of run.json."""
        hops = self.measured.hops()
        return {
            "run_id": self.run_ids[-1] if self.run_ids else None,
            "balanced": self.balanced,
            "imbalances": [str(imbalance) for imbalance in self.imbalances],
            "control_totals": control_total_rows(self.measured),
            "records": {
                "produced": hops["produced"].records,
                "duplicates": hops["duplicate"].records,
                "erased": self.measured.erased.records,
                "quarantined": dict(sorted(self.measured.quarantined_by_reason.items())),
                "curated": hops["curated"].records,
                "ledger": hops["ledger"].records,
                "pending": hops["pending"].records,
                "loaded": hops["loaded"].records,
            },
            "stages": {name: stage.as_json() for name, stage in self.stages.items()},
            "landing_latency_ms": percentiles(self.landing_ms),
            "refused_lines": dict(self.produced.refused),
            "faults": dict(sorted(self.faults.items())),
            "versions": {"python": platform.python_version(), "java": self.java}
            | {name: version(name) for name in _VERSIONED},
        }


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """{"p50": …, "p95": …, "p99": …} by nearest rank; None if there are no values."""
    ordered = sorted(values)
    return {
        f"p{percent}": round(ordered[-(-len(ordered) * percent // 100) - 1], 1) if ordered else None
        for percent in _PERCENTILES
    }
