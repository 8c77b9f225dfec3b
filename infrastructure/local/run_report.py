"""What a run of the embedded stack reports: the content of run.json."""

from __future__ import annotations

import platform
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from data_governance.alert_comparison import AlertComparison
from data_governance.control_totals import ControlTotals
from data_governance.reconciliation import Imbalance, Measured, control_total_rows, imbalances, rows_by_hop
from data_ingestion.transaction_producer import ProduceReport
from infrastructure.local.stages import Stage

_PERCENTILES = (50, 95, 99)
_VERSIONED = ("boto3", "moto", "pyspark", "msgspec", "pyarrow", "psycopg")


@dataclass(slots=True)
class RunReport:
    """Everything that a run found out.

    source: where the transactions came from; measured: all that the workdir holds; this_run: by hop, of this run alone;
    landed_batches: when each batch landed, how many of landing_ms are its; alerts: how many the run raised, by rule;
    alert_comparison: which of its event dates' alerts job and stream have raised.
    """

    source: str = ""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    run_ids: list[str] = field(default_factory=list)
    measured: Measured = field(default_factory=Measured)
    this_run: dict[str, ControlTotals] = field(default_factory=dict)
    alerts: dict[str, int] = field(default_factory=dict)
    alert_comparison: AlertComparison | None = None
    stages: dict[str, Stage] = field(default_factory=dict)
    landing_ms: array[float] = field(default_factory=lambda: array("f"))
    landed_batches: list[tuple[datetime, int]] = field(default_factory=list)
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
            "started_at": self.started_at.isoformat(),
            "ended_at": None if self.ended_at is None else self.ended_at.isoformat(),
            "source": self.source,
            "balanced": self.balanced,
            "imbalances": [str(imbalance) for imbalance in self.imbalances],
            "control_totals": control_total_rows(self.measured),
            "this_run": rows_by_hop(self.this_run),
            "alerts": dict(sorted(self.alerts.items())),
            "stream_alerts": self.alert_comparison.as_json() if self.alert_comparison else None,
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
            "versions": self.versions,
        }

    @property
    def versions(self) -> dict[str, str]:
        return {"python": platform.python_version(), "java": self.java} | {name: version(name) for name in _VERSIONED}


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """{"p50": …, "p95": …, "p99": …} by nearest rank; None if there are no values."""
    ordered = sorted(values)
    return {
        f"p{percent}": round(ordered[-(-len(ordered) * percent // 100) - 1], 1) if ordered else None
        for percent in _PERCENTILES
    }
