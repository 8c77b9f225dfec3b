"""The result of a Glue job's run: result.json, which commits it. The job writes it, loader and reconcile read it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from data_catalog.transaction_contract import FIRST_VERSION, SCHEMA_VERSION
from data_governance.control_totals import ControlTotals
from infrastructure.errors import PlatformError


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file of a run. size: in bytes; partition_date: the event date, for quarantine the arrival date, for ids,
    links and sightings the first of the month of the event date."""

    key: str
    size: int
    records: int
    partition_date: date


_is_plain = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch  # these names go into SQL

# Kind of file -> name of its date partition.
PARTITIONS = {
    "curated": "event_date",
    "pending_transactions": "event_date",
    "fraud_alerts": "event_date",
    "fraud_alert_evidence": "event_date",
    "quarantine": "arrival_date",
    "transaction_ids": "event_date",
    "token_links": "event_date",
    "sightings": "event_date",
}


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run.

    control_totals: by hop (landed, redelivered, duplicate, quarantined, erased, curated); snapshots: what it
    committed, by the Iceberg table's name; quarantine_bucket: of its quarantine files, "" in runs of before 0.2.
    """

    run_id: str
    created_at: datetime
    curated: tuple[PublishedFile, ...]
    fraud_alerts: tuple[PublishedFile, ...]
    quarantined_by_reason: Mapping[str, int]
    pending_transactions: tuple[PublishedFile, ...] = ()
    fraud_alert_evidence: tuple[PublishedFile, ...] = ()
    quarantine: tuple[PublishedFile, ...] = ()
    control_totals: Mapping[str, ControlTotals] = field(default_factory=dict)
    raw_objects: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    contract_version: str = SCHEMA_VERSION
    transaction_ids: tuple[PublishedFile, ...] = ()
    token_links: tuple[PublishedFile, ...] = ()
    sightings: tuple[PublishedFile, ...] = ()
    snapshots: Mapping[str, int] = field(default_factory=dict)
    quarantine_bucket: str = ""

    @property
    def erased(self) -> ControlTotals:
        """Records of accounts that were erased before. Results of before 0.2 know none."""
        return self.control_totals.get("erased", ControlTotals())

    @property
    def rows(self) -> int:
        """Curated records, by the run's own count."""
        return sum(file.records for file in (*self.curated, *self.pending_transactions))

    def to_json(self) -> bytes:
        """Its stored form."""
        document = {
            "run_id": self.run_id,
            "created_at": self.created_at.isoformat(),
            "contract_version": self.contract_version,
            "raw_objects": self.raw_objects,
            **{kind: {"files": _rows(getattr(self, kind), name)} for kind, name in PARTITIONS.items()},
            "control_totals": {hop: totals.rows() for hop, totals in self.control_totals.items()},
            "quarantined_by_reason": dict(self.quarantined_by_reason),
            "versions": dict(self.versions),
            "snapshots": dict(self.snapshots),
            "quarantine_bucket": self.quarantine_bucket,
        }
        return json.dumps(document, indent=1).encode()

    @classmethod
    def from_json(cls, body: bytes, where: str) -> RunResult:
        """What to_json wrote. where names it in errors."""
        try:
            document = json.loads(body)
            for name in (document["run_id"], *document["quarantined_by_reason"]):
                if not _is_plain(name):
                    raise ValueError("not a plain name")
            return cls(
                run_id=document["run_id"],
                created_at=datetime.fromisoformat(document["created_at"]),
                **{kind: _files(document.get(kind, {"files": []})["files"], name) for kind, name in PARTITIONS.items()},
                quarantined_by_reason=dict(document["quarantined_by_reason"]),
                control_totals={hop: ControlTotals.from_rows(rows) for hop, rows in document["control_totals"].items()},
                raw_objects=document["raw_objects"],
                contract_version=_version(document.get("contract_version", FIRST_VERSION)),
                versions=document["versions"],
                snapshots=document.get("snapshots", {}),
                quarantine_bucket=document.get("quarantine_bucket", ""),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise PlatformError(
                where, f"is no result of a run ({type(error).__name__}: {error})", "Run the ETL job again; it writes it"
            ) from None


def _version(version: str) -> str:
    """A contract version that this code can read."""
    if [int(part) for part in version.split(".")] > [int(part) for part in SCHEMA_VERSION.split(".")]:
        raise ValueError("written by a newer contract")
    return version


def _rows(files: tuple[PublishedFile, ...], partition: str) -> list[dict[str, Any]]:
    return [
        {"key": file.key, "size": file.size, "records": file.records, partition: file.partition_date.isoformat()}
        for file in files
    ]


def _files(rows: list[dict[str, Any]], partition: str) -> tuple[PublishedFile, ...]:
    return tuple(
        PublishedFile(row["key"], int(row["size"]), int(row["records"]), date.fromisoformat(row[partition]))
        for row in rows
    )
