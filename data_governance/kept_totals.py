"""Control totals that were verified, kept so that a reconciliation counts only what is new.

    reconciliation/arrivals/2026-03.json    what arrived on each day of a month
    reconciliation/runs/2026-03.json        what became of it in each run that was planned in the month, by event date;
                                            one sum of them all once the month is closed
    reconciliation/replays.json             what each replay moved
    reconciliation/erasures/{date}-ID.json  what an erasure took out

A day is sealed when nothing can land on it any more and its totals balance; a month of runs is closed when all are
finished and the warehouse was seen to hold them. What is sealed is not counted again but by `reconcile --deep`. What
comes later is an entry of its own: a replay, an erasure, a later run with rows of an old event date.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Self

from data_catalog.lake_layout import RECONCILIATION_PREFIX
from data_governance.control_totals import ControlTotals, CuratedTotals
from infrastructure.aws import s3_objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_ARRIVALS = f"{RECONCILIATION_PREFIX}arrivals/"
_RUNS = f"{RECONCILIATION_PREFIX}runs/"
_REPLAYS = f"{RECONCILIATION_PREFIX}replays.json"
_ERASURES = f"{RECONCILIATION_PREFIX}erasures/"


@dataclass(slots=True)
class DayTotals:
    """What arrived on a day.

    objects: a digest of the objects that were counted. shards: the lowest and highest sequence number that they hold,
    by stream incarnation and shard. replayed: what replays landed; landed is of the stream. reasons: of quarantined.
    """

    objects: str
    measured_at: datetime
    shards: dict[str, tuple[int, int]] = field(default_factory=dict)
    sealed: bool = False
    streamed: dict[str, ControlTotals] = field(default_factory=dict)
    landed: ControlTotals = field(default_factory=ControlTotals)
    replayed: ControlTotals = field(default_factory=ControlTotals)
    quarantined: ControlTotals = field(default_factory=ControlTotals)
    repeated: ControlTotals = field(default_factory=ControlTotals)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def balances(self) -> bool:
        """Whether everything that streamed has landed or is quarantined."""
        return self.landed + self.quarantined + self.repeated == total(self.streamed.values())

    def to_row(self) -> dict[str, Any]:
        return {
            "objects": self.objects,
            "measured_at": self.measured_at.isoformat(),
            "shards": self.shards,
            "sealed": self.sealed,
            "streamed": {incarnation: totals.rows() for incarnation, totals in self.streamed.items()},
            **_rows_of(self, _DAY),
            "reasons": self.reasons,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(
            objects=row["objects"],
            measured_at=datetime.fromisoformat(row["measured_at"]),
            shards={shard: (first, last) for shard, (first, last) in row["shards"].items()},
            sealed=row["sealed"],
            streamed={incarnation: ControlTotals.from_rows(rows) for incarnation, rows in row["streamed"].items()},
            **_totals_of(row, _DAY),
            reasons=row["reasons"],
        )


@dataclass(slots=True)
class RunTotals:
    """What became of a run's records. curated: by event date. loaded: whether the warehouse was seen to hold it."""

    duplicate: ControlTotals = field(default_factory=ControlTotals)
    quarantined: ControlTotals = field(default_factory=ControlTotals)
    repeated: ControlTotals = field(default_factory=ControlTotals)
    erased: ControlTotals = field(default_factory=ControlTotals)
    reasons: dict[str, int] = field(default_factory=dict)
    curated: dict[str, CuratedTotals] = field(default_factory=dict)
    loaded: bool = False

    @property
    def all_curated(self) -> CuratedTotals:
        """Over all event dates."""
        return curated_total(self.curated.values())

    def add(self, other: RunTotals) -> None:
        """Count another run's too."""
        self.duplicate += other.duplicate
        self.quarantined += other.quarantined
        self.repeated += other.repeated
        self.erased += other.erased
        for reason, records in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + records
        for day, curated in other.curated.items():
            self.curated[day] = curated_total([self.curated.get(day, CuratedTotals()), curated])

    def to_row(self) -> dict[str, Any]:
        curated = {day: curated_row(totals) for day, totals in sorted(self.curated.items())}
        return _rows_of(self, _RUN) | {"reasons": self.reasons, "curated": curated, "loaded": self.loaded}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(
            **_totals_of(row, _RUN),
            reasons=row["reasons"],
            curated={day: curated_of(totals) for day, totals in row["curated"].items()},
            loaded=row["loaded"],
        )


@dataclass(slots=True)
class MonthOfRuns:
    """The runs that were planned in a month; closed: the sum of them, once nothing of it can change."""

    runs: dict[str, RunTotals] = field(default_factory=dict)
    closed: RunTotals | None = None

    def all(self) -> list[RunTotals]:
        """What to sum."""
        return [self.closed] if self.closed else list(self.runs.values())


@dataclass(slots=True)
class ReplayTotals:
    """What a replay moved: replayed is what it landed, from_landing and from_etl what it stands for."""

    replayed: ControlTotals = field(default_factory=ControlTotals)
    from_landing: ControlTotals = field(default_factory=ControlTotals)
    from_etl: ControlTotals = field(default_factory=ControlTotals)
    reasons: dict[str, int] = field(default_factory=dict)

    def to_row(self) -> dict[str, Any]:
        return _rows_of(self, _REPLAY) | {"reasons": self.reasons}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**_totals_of(row, _REPLAY), reasons=row["reasons"])


@dataclass(slots=True)
class RefusedTotals:
    """What was taken out of the quarantine of the Glue job.

    quarantined: distinct content; repeated: further copies of it. replaced: rows that a replay stands for, which the
    kept totals no longer count.
    """

    quarantined: ControlTotals = field(default_factory=ControlTotals)
    repeated: ControlTotals = field(default_factory=ControlTotals)
    replaced: ControlTotals = field(default_factory=ControlTotals)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def gone(self) -> ControlTotals:
        return self.quarantined + self.repeated

    def to_row(self) -> dict[str, Any]:
        return _rows_of(self, _REFUSED) | {"reasons": self.reasons}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**_totals_of(row, _REFUSED), reasons=row["reasons"])


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was taken out of the curated tables and the warehouse, by an erasure or by a repair of repeated ids.

    id: of the erasure's certificate, or of the repair; it names nobody. quarantined: what of it went to quarantine.
    refused: what was taken out of quarantine. runs: all that is gone, by the run that it came with.
    """

    id: str
    erased_on: date
    curated: CuratedTotals
    quarantined: ControlTotals = field(default_factory=ControlTotals)
    refused: RefusedTotals = field(default_factory=RefusedTotals)
    runs: Mapping[str, ControlTotals] = field(default_factory=dict)

    @property
    def gone(self) -> ControlTotals:
        """What is nowhere any more."""
        return self.curated.all - self.quarantined + self.refused.gone

    def to_row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "erased_on": self.erased_on.isoformat(),
            "curated": curated_row(self.curated),
            "quarantined": self.quarantined.rows(),
            "refused": self.refused.to_row(),
            "runs": {run_id: totals.rows() for run_id, totals in sorted(self.runs.items())},
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(
            id=row["id"],
            erased_on=date.fromisoformat(row["erased_on"]),
            curated=curated_of(row["curated"]),
            quarantined=ControlTotals.from_rows(row["quarantined"]),
            refused=RefusedTotals.from_row(row.get("refused", {"reasons": {}})),
            runs={run_id: ControlTotals.from_rows(rows) for run_id, rows in row.get("runs", {}).items()},
        )


_DAY = ("landed", "replayed", "quarantined", "repeated")
_RUN = ("duplicate", "quarantined", "repeated", "erased")
_REPLAY = ("replayed", "from_landing", "from_etl")
_REFUSED = ("quarantined", "repeated", "replaced")


class KeptTotals:
    """The kept totals of a lake, read whole: some tens of objects a year."""

    def __init__(self, s3: S3Client, curated_bucket: str) -> None:
        self._s3 = s3
        self._bucket = curated_bucket
        self._stored: dict[str, bytes] = {}
        self.days: dict[str, DayTotals] = {}
        self.months: dict[str, MonthOfRuns] = {}
        self.replays: dict[str, ReplayTotals] = {}
        self.erasures: list[Erasure] = []
        keys = s3_objects.keys(s3, curated_bucket, RECONCILIATION_PREFIX)
        for key, body in s3_objects.bodies(s3, curated_bucket, keys):
            self._read(key, body)

    def _read(self, key: str, body: bytes) -> None:
        document = json.loads(body)
        self._stored[key] = body
        if key.startswith(_ARRIVALS):
            self.days |= {day: DayTotals.from_row(row) for day, row in document.items()}
        elif key.startswith(_RUNS):
            month = MonthOfRuns({run_id: RunTotals.from_row(row) for run_id, row in document["runs"].items()})
            month.closed = RunTotals.from_row(document["closed"]) if document["closed"] else None
            self.months[_name(key)] = month
        elif key.startswith(_ERASURES):
            self.erasures.append(Erasure.from_row(document))
        else:
            self.replays = {name: ReplayTotals.from_row(row) for name, row in document.items()}

    def keep(self) -> None:
        """Write the documents that have changed."""
        documents: dict[str, Any] = {}
        for day, totals in sorted(self.days.items()):
            documents.setdefault(f"{_ARRIVALS}{day[:7]}.json", {})[day] = totals.to_row()
        for name, month in self.months.items():
            documents[f"{_RUNS}{name or 'before'}.json"] = {
                "runs": {run_id: totals.to_row() for run_id, totals in sorted(month.runs.items())},
                "closed": month.closed.to_row() if month.closed else None,
            }
        if self.replays:
            documents[_REPLAYS] = {name: totals.to_row() for name, totals in sorted(self.replays.items())}
        for key, document in documents.items():
            self._put(key, document)

    def add_erasure(self, erasure: Erasure) -> None:
        """Enter what an erasure took out. The same erasure again is the same entry.

        Bring the kept totals up to the lake first (kept_measures.py): they are of the time before the erasure.
        """
        self.erasures = [each for each in self.erasures if each.id != erasure.id] + [erasure]
        self._put(f"{_ERASURES}{erasure.erased_on}-{erasure.id}.json", erasure.to_row())

    def _put(self, key: str, document: Any) -> None:
        body = json.dumps(document, separators=(",", ":")).encode()
        if self._stored.get(key) != body:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
            self._stored[key] = body


def _name(key: str) -> str:
    """The month of a document of runs; "" for that of runs without a month."""
    name = key.removeprefix(_RUNS).removesuffix(".json")
    return "" if name == "before" else name


def total(parts: Iterable[ControlTotals]) -> ControlTotals:
    """The sum."""
    found = ControlTotals()
    for part in parts:
        found += part
    return found


def curated_total(parts: Iterable[CuratedTotals]) -> CuratedTotals:
    """The sum, by table."""
    found = list(parts)
    return CuratedTotals(total(each.ledger for each in found), total(each.pending for each in found))


def curated_row(totals: CuratedTotals) -> dict[str, Any]:
    """Its stored form."""
    return {"ledger": totals.ledger.rows(), "pending": totals.pending.rows()}


def curated_of(row: Mapping[str, Any]) -> CuratedTotals:
    """What curated_row wrote."""
    return CuratedTotals(ControlTotals.from_rows(row["ledger"]), ControlTotals.from_rows(row["pending"]))


def _rows_of(holder: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(holder, name).rows() for name in names}


def _totals_of(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, ControlTotals]:
    return {name: ControlTotals.from_rows(row.get(name, ())) for name in names}
