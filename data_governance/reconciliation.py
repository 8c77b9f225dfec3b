"""Do the hops balance? Compares control totals to the cent and names the first hop that does not.

Pure: totals in, findings out. data_governance/lake_measures.py says what is measured, and where.

    streamed = produced (plus at most the copies that a lost answer had the producer put again)
    streamed = landed + quarantined by the Lambda
    landed   = curated + duplicate + quarantined by the ETL + erased
    curated  = ledger (final states) + pending (puts of pending items)
    loaded   = curated, table by table

erased: what erasures took out of curated and quarantine, and what came of those accounts later.

A record that comes again with the same content is a duplicate, whether the first one was curated or quarantined. So
producing the same input again changes, after the landing, only the duplicates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from data_governance.control_totals import ControlKey, ControlTotals, CuratedTotals, amount_text

# curated and loaded are what ledger and pending sum to.
HOPS = (
    "produced", "streamed", "landed", "quarantined", "duplicate", "erased", "curated", "loaded", "ledger", "pending",
)  # fmt: skip


@dataclass(slots=True)
class Measured:
    """Control totals as found at each place. None: not measurable here (no producer's report, no warehouse).

    put_again: what producers put a second time because the first answer was lost. quarantined_*: distinct content;
    repeated_*: further copies of it.
    """

    produced: ControlTotals | None = None
    put_again: ControlTotals = field(default_factory=ControlTotals)
    streamed: ControlTotals = field(default_factory=ControlTotals)
    landed: ControlTotals = field(default_factory=ControlTotals)
    quarantined_landing: ControlTotals = field(default_factory=ControlTotals)
    repeated_landing: ControlTotals = field(default_factory=ControlTotals)
    quarantined_etl: ControlTotals = field(default_factory=ControlTotals)
    repeated_etl: ControlTotals = field(default_factory=ControlTotals)
    duplicate_etl: ControlTotals = field(default_factory=ControlTotals)
    curated: CuratedTotals = field(default_factory=CuratedTotals)
    loaded: CuratedTotals | None = None
    erased: ControlTotals = field(default_factory=ControlTotals)
    quarantined_by_reason: dict[str, int] = field(default_factory=dict)

    def hops(self) -> dict[str, ControlTotals]:
        """The totals by hop, in the order of HOPS. Left out are those that cannot be measured here, and erased while
        nothing was."""
        found = {
            "produced": self.produced,
            "streamed": self.streamed,
            "landed": self.landed,
            "quarantined": self.quarantined_landing + self.quarantined_etl,
            "duplicate": self.duplicate_etl + self.repeated_landing + self.repeated_etl,
            "erased": self.erased if self.erased.records else None,
            "curated": self.curated.all,
            "loaded": None if self.loaded is None else self.loaded.all,
            "ledger": self.curated.ledger,
            "pending": self.curated.pending,
        }
        return {hop: totals for hop, totals in found.items() if totals is not None}


@dataclass(frozen=True, slots=True)
class Imbalance:
    """An identity that does not hold for one key: at that hop, records and amount are off by this much."""

    hop: str
    identity: str
    key: ControlKey
    records: int
    amount: Decimal

    def __str__(self) -> str:
        what = " ".join(part for part in self.key if part) or "unreadable amounts"
        amount = Decimal(amount_text(self.amount, self.key.currency))
        return f"{self.hop} is off by {self.records:+,} records and {amount:+,f} for {what} ({self.identity})"


def imbalances(measured: Measured, at: Collection[str] = HOPS) -> list[Imbalance]:
    """Every difference, first hop first; empty if everything that was measured balances. at: the hops to check."""
    m = measured
    facts, pending = (None, None) if m.loaded is None else (m.loaded.ledger, m.loaded.pending)
    checks: list[tuple[str, str, ControlTotals | None, ControlTotals | None]] = [
        ("streamed", "streamed = produced", m.streamed, m.produced),
        (
            "landed",
            "landed + quarantined by the Lambda = streamed",
            m.landed + m.quarantined_landing + m.repeated_landing,
            m.streamed,
        ),
        (
            "curated",
            "curated + duplicate + quarantined by the ETL + erased = landed",
            m.curated.all + m.duplicate_etl + m.quarantined_etl + m.repeated_etl + m.erased,
            m.landed,
        ),
        ("loaded", "facts loaded = ledger curated", facts, m.curated.ledger),
        ("loaded", "pending items loaded = pending curated", pending, m.curated.pending),
    ]
    put_again = {key: (records, amount) for key, records, amount in m.put_again.lines()}

    def are_copies(hop: str, key: ControlKey, records: int, amount: Decimal) -> bool:
        most_records, most_amount = put_again.get(key, (0, Decimal(0)))
        return hop == "streamed" and 0 <= records <= most_records and 0 <= amount <= most_amount

    return [
        Imbalance(hop, identity, key, records, amount)
        for hop, identity, found, expected in checks
        if hop in at and found is not None and expected is not None
        for key, records, amount in (found - expected).lines()
        if not are_copies(hop, key, records, amount)
    ]


def differences(verified: Measured, found: Measured) -> list[Imbalance]:
    """Where what was counted now is not what was verified and kept."""
    v, f = verified, found
    loaded = CuratedTotals()
    checks = [
        ("streamed", v.streamed, f.streamed),
        ("landed", v.landed, f.landed),
        (
            "quarantined",
            v.quarantined_landing + v.repeated_landing + v.quarantined_etl + v.repeated_etl,
            f.quarantined_landing + f.repeated_landing + f.quarantined_etl + f.repeated_etl,
        ),
        ("duplicate", v.duplicate_etl, f.duplicate_etl),
        ("erased", v.erased, f.erased),
        ("ledger", v.curated.ledger, f.curated.ledger),
        ("pending", v.curated.pending, f.curated.pending),
        ("loaded", (v.loaded or loaded).ledger, (f.loaded or loaded).ledger),
        ("loaded", (v.loaded or loaded).pending, (f.loaded or loaded).pending),
    ]
    return [
        Imbalance(hop, "counted again = what was verified", key, records, amount)
        for hop, before, now in checks
        for key, records, amount in (now - before).lines()
    ]


def control_total_rows(measured: Measured) -> list[dict[str, Any]]:
    """JSON-ready: [{hop, currency, credit_debit_indicator, records, amount}] in the order of the hops."""
    return rows_by_hop(measured.hops())


def rows_by_hop(hops: Mapping[str, ControlTotals]) -> list[dict[str, Any]]:
    """JSON-ready: [{hop, currency, credit_debit_indicator, records, amount}]."""
    return [{"hop": hop} | row for hop, totals in hops.items() for row in totals.rows()]
