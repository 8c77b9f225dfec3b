"""The document that a run's page shows: JSON in the page, drawn by page/*.js. Pure data.

Times are UTC. An amount is a decimal as text. Accounts, tokens and free text are masked. Of two numbers of records,
`records` is of all that the workdir holds and `new` of this run alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from data_storage.transaction_trail import Trail


@dataclass(frozen=True, slots=True)
class StageCourse:
    """A stage. began, seconds: since the run's start, and how long it took so far; course: (seconds, records)."""

    name: str
    began: float
    seconds: float
    ended: bool
    records: int
    total: int | None
    note: str
    course: list[tuple[float, int]]


@dataclass(frozen=True, slots=True)
class LandingMoment:
    """A span of the landing. began, ended: in seconds since the run's start; latencies in milliseconds."""

    began: float
    ended: float
    records: int
    records_per_second: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class HopCount:
    hop: str
    records: int
    new: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """Records that leave the way after a hop. why: quarantined, duplicate or erased."""

    after: str
    why: str
    records: int


@dataclass(frozen=True, slots=True)
class TotalsLine:
    """Control totals of one key at each hop: (records, amount) of all that is held, and of this run."""

    currency: str | None
    credit_debit_indicator: str | None
    held: dict[str, tuple[int, str]]
    new: dict[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Sample:
    """A quarantined record. fault: the contract's field at fault; payload: the record as text, masked."""

    transaction_id: str | None
    fault: str | None
    stage: str
    arrival_time: str
    position: str
    payload: str


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str
    records: int
    meaning: str
    todo: str
    samples: list[Sample]


@dataclass(frozen=True, slots=True)
class Activity:
    """Booked entries of one group. group: the hour (UTC) of event time, 0 to 23, or a transaction type."""

    currency: str
    credit_debit_indicator: str
    group: str
    is_new: bool
    records: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Evidence:
    """A transaction that an alert rests on."""

    transaction_id: str
    account: str
    event_time: str
    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class Alert:
    """state: OPEN, or CLOSED where too few of its transactions still stand."""

    rule: str
    severity: str
    reason: str
    subject_type: str
    bucket_start: str
    state: str
    is_new: bool
    evidence: list[Evidence]


@dataclass(frozen=True, slots=True)
class Alarm:
    """state: OK, ALARM, or INSUFFICIENT_DATA where nothing told it yet; measured: what it was judged by."""

    name: str
    meaning: str
    state: str
    measured: str


@dataclass(frozen=True, slots=True)
class Document:
    """Everything on the page. While the run goes on (is_live), all but the stages is empty."""

    generated_at: datetime
    started_at: datetime
    seconds: float
    source: str
    is_live: bool
    stages: list[StageCourse]
    run_ids: list[str] = field(default_factory=list)
    earlier_runs: int = 0
    balanced: bool = False
    findings: list[str] = field(default_factory=list)
    hops: list[HopCount] = field(default_factory=list)
    leaving: list[Leaving] = field(default_factory=list)
    totals: list[TotalsLine] = field(default_factory=list)
    latency: dict[str, float | None] = field(default_factory=dict)
    landing: list[LandingMoment] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    by_hour: list[Activity] = field(default_factory=list)
    by_type: list[Activity] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    alerts_by_rule: dict[str, int] = field(default_factory=dict)
    trail: Trail | None = None
    alarms: list[Alarm] = field(default_factory=list)
    refused_lines: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
