"""Control totals for people: a line per currency and indicator, a column per hop."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from rich import box
from rich.table import Table
from rich.text import Text

from data_governance.control_totals import ControlKey, ControlTotals, amount_text


def totals_table(hops: Mapping[str, ControlTotals]) -> Table:
    """Records above, amount below; nothing is cut off, long amounts fold on a narrow terminal."""
    table = Table(
        title="Control totals: records, and sum of unsigned amounts",
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", overflow="fold")
    for hop in hops:
        table.add_column(hop, justify="right", overflow="fold")
    by_hop = {hop: {key: (records, amount) for key, records, amount in totals.lines()} for hop, totals in hops.items()}
    keys = {key for lines in by_hop.values() for key in lines}
    for key in sorted(keys, key=lambda key: (key.currency is None, key)):
        cells = (by_hop[hop].get(key) for hop in hops)
        table.add_row(_label(key), *(Text("-", style="dim") if c is None else _cell(*c, key) for c in cells))
    table.add_section()
    table.add_row("all records", *(f"{totals.records:,}" for totals in hops.values()), style="bold")
    return table


def _cell(records: int, amount: Decimal, key: ControlKey) -> Text:
    return Text(f"{records:,}\n{Decimal(amount_text(amount, key.currency)):,}")


def _label(key: ControlKey) -> str:
    return "unreadable" if key.currency is None else f"{key.currency} {key.credit_debit_indicator}"
