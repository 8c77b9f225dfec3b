"""Control totals on a terminal: whatever its width, every number stands on one line, whole."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from rich.console import Console

from data_governance.control_totals import ControlKey, ControlTotals
from data_governance.reconciliation import HOPS
from scripts.commands.totals_table import totals_table

LARGE = Decimal("123456789012345.67")


def printed(hops: dict[str, ControlTotals], width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(totals_table(hops, width))
    return file.getvalue()


def totals(amount: Decimal, records: int = 1_234_567) -> ControlTotals:
    found = ControlTotals()
    for indicator in ("CRDT", "DBIT"):
        found.add(ControlKey("EUR", indicator), amount, records)
    found.add(ControlKey(None, None), Decimal(0), 17)
    return found


@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_no_number_is_folded_or_cut(width: int) -> None:
    hops = {hop: totals(LARGE + place) for place, hop in enumerate(HOPS)}
    table = printed(hops, width)
    for place in range(len(HOPS)):
        assert f"{LARGE + place:,}" in table
    assert "1,234,567" in table and "…" not in table
    assert max(len(line) for line in table.splitlines()) <= width


def test_the_columns_are_given_up_before_any_of_them_is_cut() -> None:
    hops = {"produced": totals(LARGE), "streamed": totals(LARGE + 1)}
    for width in range(50, 120):
        table = printed(hops, width)
        assert f"{LARGE:,}" in table and f"{LARGE + 1:,}" in table and "…" not in table, width


def test_side_by_side_where_there_is_room_and_below_each_other_where_there_is_none() -> None:
    hops = {hop: totals(Decimal("1.00")) for hop in HOPS}
    side_by_side = next(line for line in printed(hops, 200).splitlines() if HOPS[0] in line)
    assert all(hop in side_by_side for hop in HOPS)
    assert HOPS[0] in printed(hops, 60)


def test_neighbours_with_the_same_total_share_a_line_at_80_columns() -> None:
    hops = {"produced": totals(LARGE), "streamed": totals(LARGE), "landed": totals(LARGE - 1)}
    lines = [line.split() for line in printed(hops, 60).splitlines()]
    assert ["produced,", "streamed", "1,234,567", f"{LARGE:,}"] in lines
    assert ["landed", "1,234,567", f"{LARGE - 1:,}"] in lines
