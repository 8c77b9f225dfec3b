"""Control totals as a table: a line per currency and indicator, a column per hop. No number is ever folded."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from data_governance.control_totals import ControlKey, ControlTotals, amount_text

_TITLE = "Control totals: records, and sum of unsigned amounts"
_WIDER_THAN_ANY = 10_000  # columns of a terminal
T = TypeVar("T")
_Lines = dict[ControlKey, tuple[int, Decimal]]


def totals_table(hops: Mapping[str, ControlTotals], width: int) -> Group:
    """A column for each hop if that fits the width; otherwise a line for each, with equal neighbours on one line."""
    by_hop = {hop: {key: (records, amount) for key, records, amount in totals.lines()} for hop, totals in hops.items()}
    keys = sorted({key for lines in by_hop.values() for key in lines}, key=lambda key: (key.currency is None, key))
    wide = _wide(by_hop, keys)
    return Group(Text(_TITLE, "italic"), wide if _width_of(wide) <= width else _narrow(by_hop, keys))


def _table() -> Table:
    return Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _width_of(table: Table) -> int:
    """The width at which no cell is folded or cut."""
    return Console(width=_WIDER_THAN_ANY).measure(table).maximum


def _wide(by_hop: Mapping[str, _Lines], keys: list[ControlKey]) -> Table:
    table = _table()
    table.add_column("", no_wrap=True)
    for hop in by_hop:
        table.add_column(hop, justify="right", no_wrap=True)
    for key in keys:
        cells = (by_hop[hop].get(key) for hop in by_hop)
        table.add_row(_label(key), *(Text("-", style="dim") if c is None else Text(_both(*c, key)) for c in cells))
    table.add_section()
    table.add_row("all records", *(f"{_records(lines):,}" for lines in by_hop.values()), style="bold")
    return table


def _both(records: int, amount: Decimal, key: ControlKey) -> str:
    return f"{records:,}\n{_amount(amount, key)}"


def _narrow(by_hop: Mapping[str, _Lines], keys: list[ControlKey]) -> Table:
    table = _table()
    table.add_column("")
    table.add_column("records", justify="right", no_wrap=True)
    table.add_column("amount", justify="right", no_wrap=True)
    for key in keys:
        table.add_row(Text(_label(key), style="bold"))
        for names, line in _alike({hop: lines.get(key) for hop, lines in by_hop.items()}):
            records, amount = line or (0, Decimal(0))
            table.add_row(f"  {', '.join(names)}", f"{records:,}", _amount(amount, key))
        table.add_section()
    table.add_row(Text("all records", style="bold"))
    for names, records in _alike({hop: _records(lines) for hop, lines in by_hop.items()}):
        table.add_row(f"  {', '.join(names)}", f"{records:,}", "")
    return table


def _alike(values: Mapping[str, T]) -> list[tuple[list[str], T]]:
    """The hops in order; neighbours with the same value are grouped."""
    groups: list[tuple[list[str], T]] = []
    for hop, value in values.items():
        if groups and groups[-1][1] == value:
            groups[-1][0].append(hop)
        else:
            groups.append(([hop], value))
    return groups


def _records(lines: _Lines) -> int:
    return sum(records for records, _ in lines.values())


def _amount(amount: Decimal, key: ControlKey) -> str:
    return f"{Decimal(amount_text(amount, key.currency)):,}"


def _label(key: ControlKey) -> str:
    return "unreadable" if key.currency is None else f"{key.currency} {key.credit_debit_indicator}"
