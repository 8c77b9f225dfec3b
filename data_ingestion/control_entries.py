"""What a record counts for in control totals, read from its bytes alone. Pure.

Lenient on purpose: it does not ask whether a record is valid, so that the producer, which knows nothing of validity,
and the Lambda count alike.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from data_catalog.transaction_contract import (
    AMOUNT_PRECISION,
    AMOUNT_SCALE,
    CREDIT_DEBIT_INDICATORS,
    CURRENCY_MINOR_UNITS,
)
from data_governance.card_numbers import MIN_DIGITS, holds_card_number
from data_governance.control_totals import UNREADABLE, ZERO, ControlKey, ControlTotals


class _Control(msgspec.Struct, gc=False):
    """A record of which these are no strings counts as unreadable."""

    amount: str
    currency: str
    credit_debit_indicator: str


_decode = msgspec.json.Decoder(_Control).decode
_is_amount = re.compile(rf"[0-9]{{1,{AMOUNT_PRECISION - AMOUNT_SCALE}}}(?:\.[0-9]{{1,{AMOUNT_SCALE}}})?").fullmatch
_ALIKE = bytes(ord("0") if byte in b"0123456789" else byte for byte in range(256))


def control_entry(data: bytes) -> tuple[ControlKey, Decimal]:
    """The key and the unsigned amount that a record counts for, else UNREADABLE and 0.

    An amount that passes as a card number is unreadable: totals are written in clear.
    """
    try:
        control = _decode(data)
    except Exception:  # msgspec's errors hold values; nothing of them is kept
        return UNREADABLE, ZERO
    return _entry(control.currency, control.credit_debit_indicator, control.amount)


def _entry(currency: str, indicator: str, amount: str) -> tuple[ControlKey, Decimal]:
    if (
        currency not in CURRENCY_MINOR_UNITS
        or indicator not in CREDIT_DEBIT_INDICATORS
        or _is_amount(amount) is None
        or (len(amount) >= MIN_DIGITS and holds_card_number(amount))
    ):
        return UNREADABLE, ZERO
    return ControlKey(currency, indicator), Decimal(amount)


class ControlCount:
    """Counts many entries: amounts are gathered by key as text and summed at the end, keys being few."""

    __slots__ = ("_amounts", "_sums", "_unread")

    def __init__(self) -> None:
        self._amounts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._sums: dict[tuple[str, str], Decimal] = {}
        self._unread = ControlTotals()

    def add_record(self, data: bytes) -> None:
        """Count what control_entry reads from the bytes."""
        self._unread.add(*control_entry(data))

    def add_fields(self, currencies: Iterable[str], indicators: Iterable[str], amounts: Iterable[str]) -> None:
        """Count records of which these fields are known already, a column of each."""
        gathered = self._amounts
        for key, amount in zip(zip(currencies, indicators, strict=True), amounts, strict=True):
            gathered[key].append(amount)

    def totals(self, other: ControlCount | None = None) -> ControlTotals:
        """The totals of all that was added.

        other: a count whose totals were taken before; where it gathered the very same amounts, its sum is taken over.
        """
        totals = ControlTotals()
        totals += self._unread
        for key, amounts in self._amounts.items():
            total = other._sums.get(key) if other is not None and other._amounts.get(key) == amounts else None
            if total is None and key[0] in CURRENCY_MINOR_UNITS and key[1] in CREDIT_DEBIT_INDICATORS:
                total = _sum(amounts)
            if total is not None:
                self._sums[key] = total
                totals.add(ControlKey(*key), total, len(amounts))
            else:
                for amount in amounts:
                    totals.add(*_entry(*key, amount))
        return totals


def _sum(amounts: Sequence[str]) -> Decimal | None:
    """The exact sum; None where an amount must be looked at by itself.

    Amounts of the same number of decimals, as they are in one currency, are summed as integers: three times as fast.
    """
    text = "\n".join(amounts)
    if not text.isascii():
        return None
    decimals = {_decimals(shape) for shape in set(text.encode("ascii").translate(_ALIKE).split(b"\n"))}
    if -1 in decimals:
        return None
    if len(decimals) > 1:
        return sum(map(Decimal, amounts), ZERO)
    return Decimal(sum(map(int, text.replace(".", "").split("\n")))).scaleb(-decimals.pop())


@lru_cache(4096)
def _decimals(shape: bytes) -> int:
    """How many decimals an amount of that shape has; -1 if it can't be counted, or is as long as a card number."""
    text = shape.decode("ascii")
    if _is_amount(text) is None or len(text) >= MIN_DIGITS:
        return -1
    return len(text.partition(".")[2])
