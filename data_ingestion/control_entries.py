"""What a record counts for in control totals, read from its bytes alone. Pure.

Lenient on purpose: it does not ask whether a record is valid, so that the producer, which does not validate, counts
exactly as the Lambda does.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_catalog.transaction_contract import (
    AMOUNT_PRECISION,
    AMOUNT_SCALE,
    CREDIT_DEBIT_INDICATORS,
)
from data_governance.card_numbers import MIN_DIGITS, holds_card_number
from data_governance.control_totals import UNREADABLE, ZERO, ControlKey, ControlTotals


class _Control(msgspec.Struct, gc=False):
    """A record in which one of these is not a string counts as unreadable."""

    amount: str
    currency: str
    credit_debit_indicator: str


_decode = msgspec.json.Decoder(_Control).decode
_is_amount = re.compile(rf"[0-9]{{1,{AMOUNT_PRECISION - AMOUNT_SCALE}}}(?:\.[0-9]{{1,{AMOUNT_SCALE}}})?").fullmatch
# Of a decimal with needless zeros, which are the same number.
_is_decimal = re.compile(r"[0-9]+(?:\.[0-9]+)?").fullmatch
_SHAPE = bytes(ord("0") if byte in b"0123456789" else byte for byte in range(256))


Entry = tuple[ControlKey, Decimal]  # what a record counts for


def control_entry(data: bytes) -> Entry:
    """The key and the unsigned amount that a record counts for, or UNREADABLE and 0.

    An amount that could be a card number is unreadable, because totals are written in clear.
    """
    try:
        control = _decode(data)
    except Exception:  # msgspec's errors quote values, so nothing of them is kept
        return UNREADABLE, ZERO
    return _entry(control.currency, control.credit_debit_indicator, control.amount)


def without_needless_zeros(number: str, minor_units: int) -> str:
    """A decimal (digits, perhaps a point and digits) without leading zeros and trailing ones beyond the minor units."""
    whole, point, decimals = number.partition(".")
    kept = decimals[:minor_units] + decimals[minor_units:].rstrip("0")
    return (whole.lstrip("0") or "0") + (point + kept if kept else "")


def _entry(currency: str, indicator: str, amount: str) -> Entry:
    is_readable = _is_amount(amount) is not None
    if not is_readable and _is_decimal(amount) is not None:
        amount = without_needless_zeros(amount, AMOUNT_SCALE)
        is_readable = _is_amount(amount) is not None
    if (
        not is_readable
        or currency not in CURRENCY_MINOR_UNITS
        or indicator not in CREDIT_DEBIT_INDICATORS
        or (len(amount) >= MIN_DIGITS and holds_card_number(amount))
    ):
        return UNREADABLE, ZERO
    return ControlKey(currency, indicator), Decimal(amount)


class ControlCount:
    """Counts many entries: amounts are gathered under the few keys, and summed at the end."""

    __slots__ = ("_amounts", "_entries")

    def __init__(self) -> None:
        self._amounts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._entries: defaultdict[ControlKey, list[Decimal]] = defaultdict(list)

    def add_entry(self, key: ControlKey, amount: Decimal) -> None:
        """Count what control_entry read."""
        self._entries[key].append(amount)

    def add_fields(self, currencies: Iterable[str], indicators: Iterable[str], amounts: Iterable[str]) -> None:
        """Count records whose fields are known already, given as columns."""
        gathered = self._amounts
        for key, amount in zip(zip(currencies, indicators, strict=True), amounts, strict=True):
            gathered[key].append(amount)

    def totals(self) -> ControlTotals:
        """The totals of all that was added."""
        totals = ControlTotals()
        for read, entries in self._entries.items():
            totals.add(read, sum(entries, ZERO), len(entries))
        for key, amounts in self._amounts.items():
            if key[0] in CURRENCY_MINOR_UNITS and key[1] in CREDIT_DEBIT_INDICATORS and _are_readable(amounts):
                totals.add(ControlKey(*key), sum(map(Decimal, amounts), ZERO), len(amounts))
            else:
                for amount in amounts:
                    totals.add(*_entry(*key, amount))
        return totals


def _are_readable(amounts: Sequence[str]) -> bool:
    """Whether every amount can be counted as it is, by the few distinct shapes of amounts ("67.54" is "00.00")."""
    shapes = "\n".join(amounts).encode("utf-8", "replace").translate(_SHAPE).split(b"\n")
    return len(shapes) == len(amounts) and all(map(_is_readable_shape, set(shapes)))


@lru_cache(4096)
def _is_readable_shape(shape: bytes) -> bool:
    """Whether amounts of this shape can be counted, and are shorter than any card number."""
    text = shape.decode("ascii", "replace")
    return _is_amount(text) is not None and len(text) < MIN_DIGITS
