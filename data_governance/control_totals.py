"""Control totals: records and the sum of unsigned amounts, per currency and credit/debit indicator.

Standard library and contract only: the Lambda, the Glue job, the producer and the reconciliation all count with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from data_catalog.currencies import CURRENCY_MINOR_UNITS


class ControlKey(NamedTuple):
    """What totals are grouped by. Both None: the record's amount or currency could not be read."""

    currency: str | None
    credit_debit_indicator: str | None


UNREADABLE = ControlKey(None, None)
ZERO = Decimal(0)


def amount_text(amount: Decimal, currency: str | None) -> str:
    """The amount with the currency's minor units, or more decimals if it has them; equal sums give equal texts."""
    decimals = -int(amount.normalize().as_tuple().exponent)
    return f"{amount:.{max(decimals, CURRENCY_MINOR_UNITS.get(currency or '', 0))}f}"


class ControlTotals:
    """Running totals by ControlKey. Adding and subtracting are exact (Decimal)."""

    __slots__ = ("_amounts", "_records")

    def __init__(self) -> None:
        self._records: dict[ControlKey, int] = {}
        self._amounts: dict[ControlKey, Decimal] = {}

    def add(self, key: ControlKey, amount: Decimal, records: int = 1) -> None:
        """Count records of one key whose unsigned amounts sum to amount; an unreadable key counts amount 0."""
        if key.currency is None:
            key, amount = UNREADABLE, ZERO
        self._records[key] = self._records.get(key, 0) + records
        self._amounts[key] = self._amounts.get(key, ZERO) + amount

    def __iadd__(self, other: ControlTotals) -> ControlTotals:
        for key, records in other._records.items():
            self.add(key, other._amounts[key], records)
        return self

    def __isub__(self, other: ControlTotals) -> ControlTotals:
        for key, records in other._records.items():
            self.add(key, -other._amounts[key], -records)
        return self

    def __add__(self, other: ControlTotals) -> ControlTotals:
        total = ControlTotals()
        total += self
        total += other
        return total

    def __sub__(self, other: ControlTotals) -> ControlTotals:
        total = ControlTotals()
        total += self
        total -= other
        return total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ControlTotals) and dict(self._lines()) == dict(other._lines())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ControlTotals({self.rows()!r})"

    @property
    def records(self) -> int:
        """All records, over every key."""
        return sum(self._records.values())

    def _lines(self) -> Iterator[tuple[ControlKey, tuple[int, Decimal]]]:
        for key in sorted(self._records, key=lambda k: (k.currency or "", k.credit_debit_indicator or "")):
            line = (self._records[key], self._amounts[key])
            if line != (0, ZERO):
                yield key, line

    def lines(self) -> Iterator[tuple[ControlKey, int, Decimal]]:
        """(key, records, amount), sorted by currency and indicator; lines that are all zero are left out."""
        for key, (records, amount) in self._lines():
            yield key, records, amount

    def rows(self) -> list[dict[str, Any]]:
        """JSON-ready: [{currency, credit_debit_indicator, records, amount: decimal string}]."""
        return [
            {
                "currency": key.currency,
                "credit_debit_indicator": key.credit_debit_indicator,
                "records": records,
                "amount": amount_text(amount, key.currency),
            }
            for key, records, amount in self.lines()
        ]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> ControlTotals:
        """The totals that rows() returned."""
        totals = cls()
        for row in rows:
            key = ControlKey(row["currency"], row["credit_debit_indicator"])
            totals.add(key, Decimal(row["amount"]), int(row["records"]))
        return totals


@dataclass(frozen=True, slots=True)
class CuratedTotals:
    """Totals of curated transactions by the table that holds them: final states, and puts of pending items."""

    ledger: ControlTotals = field(default_factory=ControlTotals)
    pending: ControlTotals = field(default_factory=ControlTotals)

    @property
    def all(self) -> ControlTotals:
        """Both together."""
        return self.ledger + self.pending
