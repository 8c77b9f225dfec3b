"""What became of one transaction: every record of it, where each is at every hop, and what rests on it. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field

CURATED, QUARANTINED, DUPLICATE, WAITING = "curated", "quarantined", "duplicate", "waiting"


@dataclass(frozen=True, slots=True)
class Place:
    """A record's position in the stream. sequence: decimal digits; sub_sequence: its place in a KPL aggregate."""

    incarnation: str
    shard: str
    sequence: str
    sub_sequence: int

    @property
    def order(self) -> tuple[str, str, int, int]:
        """Sorts as the stream does."""
        return self.incarnation, self.shard, int(self.sequence) if self.sequence.isdigit() else 0, self.sub_sequence

    def __str__(self) -> str:
        within = f", record {self.sub_sequence} of its aggregate" if self.sub_sequence else ""
        return f"{self.incarnation} {self.shard} sequence {self.sequence}{within}"


@dataclass(frozen=True, slots=True)
class Step:
    """One hop. at: a time in UTC, "" if the hop has none; what: in a few words; where: an address to look at."""

    hop: str
    at: str
    what: str
    where: str


@dataclass(slots=True)
class TracedRecord:
    """One put of the transaction. status: as the producer said; ending: CURATED, QUARANTINED, DUPLICATE or WAITING."""

    status: str
    ending: str
    amount: str
    currency: str
    event_time: str
    place: Place
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TracedAlert:
    """An alert that rests on the transaction. others: how many further transactions it rests on."""

    alert_id: str
    rule: str
    severity: str
    state: str
    bucket_start: str
    others: int


@dataclass(slots=True)
class Trail:
    """Everything of one id. state: BOOKED, REJECTED, PENDING, QUARANTINED, WAITING (for the next run) or ABSENT.

    links: (how, the other id), e.g. ("reverses", ...); searched: what was looked through; absent_because: what may be
    the reason, for an id that is nowhere.
    """

    transaction_id: str
    state: str
    records: list[TracedRecord] = field(default_factory=list)
    alerts: list[TracedAlert] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)
    absent_because: list[str] = field(default_factory=list)


def state_of(records: list[TracedRecord]) -> str:
    """The transaction's state, from all records of it."""
    curated = [record.status for record in records if record.ending == CURATED]
    for status in ("BOOKED", "REJECTED", "PENDING"):
        if status in curated:
            return status
    endings = {record.ending for record in records}
    return next((ending.upper() for ending in (WAITING, QUARANTINED, DUPLICATE) if ending in endings), "ABSENT")
