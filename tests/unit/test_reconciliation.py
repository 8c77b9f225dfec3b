"""The reconciliation names the first hop that is off, and by how much."""

from dataclasses import replace
from decimal import Decimal

import pytest

from data_governance.control_totals import ControlKey, ControlTotals, CuratedTotals
from data_governance.reconciliation import HOPS, Measured, control_total_rows, imbalances

EUR = ControlKey("EUR", "DBIT")


def totals(records, amount="0"):
    found = ControlTotals()
    if records:
        found.add(EUR, Decimal(amount), records)
    return found


@pytest.fixture
def balanced():
    """100 records: 88 final, 2 pending, 4 duplicates, 1 quarantined by the ETL, 3 by the Lambda, 2 of those again."""
    return Measured(
        produced=totals(100, "1000.00"),
        streamed=totals(100, "1000.00"),
        landed=totals(95, "950.00"),
        quarantined_landing=totals(3, "30.00"),
        repeated_landing=totals(2, "20.00"),
        quarantined_etl=totals(1, "10.00"),
        duplicate_etl=totals(4, "40.00"),
        curated=CuratedTotals(totals(88, "860.00"), totals(2, "40.00")),
        loaded=CuratedTotals(totals(88, "860.00"), totals(2, "40.00")),
    )


def test_a_balanced_run_has_no_findings(balanced):
    assert imbalances(balanced) == []


def test_hops_are_listed_in_order_and_repeats_count_as_duplicates(balanced):
    rows = control_total_rows(replace(balanced, erased=totals(1, "10.00")))
    assert [row["hop"] for row in rows] == list(HOPS)
    assert {row["hop"]: row["records"] for row in rows}["duplicate"] == 6
    assert {row["hop"]: row["records"] for row in rows}["quarantined"] == 4


def test_erased_is_no_hop_while_nothing_was_and_stands_for_what_is_no_longer_curated(balanced):
    assert "erased" not in balanced.hops()
    less = CuratedTotals(balanced.curated.ledger - totals(1, "10.00"), balanced.curated.pending)
    gone = replace(balanced, erased=totals(1, "10.00"), curated=less, loaded=less)
    assert imbalances(gone) == []
    assert gone.hops()["erased"] == totals(1, "10.00")


@pytest.mark.parametrize(
    ("place", "hop"),
    [
        ("streamed", "streamed"),
        ("landed", "landed"),
    ],
)
def test_a_lost_record_is_named_at_the_hop_that_lost_it(balanced, place, hop):
    lost = replace(balanced, **{place: getattr(balanced, place) - totals(1, "10.00")})
    first = imbalances(lost)[0]
    assert (first.hop, first.key, first.records, first.amount) == (hop, EUR, -1, Decimal("-10.00"))


@pytest.mark.parametrize("place", ["curated", "loaded"])
@pytest.mark.parametrize("table", ["ledger", "pending"])
def test_a_lost_transaction_is_named_in_either_table(balanced, place, table):
    found = getattr(balanced, place)
    lost = replace(found, **{table: getattr(found, table) - totals(1, "10.00")})
    first = imbalances(replace(balanced, **{place: lost}))[0]
    assert (first.hop, first.key, first.records, first.amount) == (place, EUR, -1, Decimal("-10.00"))


def test_what_was_loaded_into_the_other_table_is_a_finding(balanced):
    swapped = CuratedTotals(ledger=totals(89, "890.00"), pending=totals(1, "10.00"))
    first, second = imbalances(replace(balanced, loaded=swapped))
    assert (first.identity, first.records) == ("facts loaded = ledger curated", 1)
    assert (second.identity, second.records) == ("pending items loaded = pending curated", -1)


def test_a_cent_is_enough(balanced):
    off = replace(balanced, loaded=CuratedTotals(totals(88, "860.01"), totals(2, "40.00")))
    (finding,) = imbalances(off)
    assert str(finding) == "loaded is off by +0 records and +0.01 for EUR DBIT (facts loaded = ledger curated)"


def test_what_cannot_be_measured_is_not_compared(balanced):
    without = replace(balanced, produced=None, loaded=None)
    assert imbalances(without) == []
    assert {"produced", "loaded"}.isdisjoint(without.hops())


def test_copies_of_what_was_put_again_after_a_lost_answer_are_no_finding(balanced):
    copy = totals(1, "10.00")
    balanced.streamed += copy
    balanced.landed += copy
    balanced.duplicate_etl += copy
    assert imbalances(balanced)[0].hop == "streamed"
    assert imbalances(replace(balanced, put_again=copy + copy)) == []
    assert imbalances(replace(balanced, put_again=totals(1, "9.99")))[0].hop == "streamed"


def test_a_record_that_was_put_and_never_came_is_a_finding_whatever_was_put_again(balanced):
    lost = totals(1, "10.00")
    off = replace(balanced, streamed=balanced.streamed - lost, put_again=totals(5, "50.00"))
    assert imbalances(off)[0].hop == "streamed"
