"""Control totals add exactly, by currency and indicator."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from data_governance.control_totals import UNREADABLE, ControlKey, ControlTotals

EUR = ControlKey("EUR", "CRDT")
JPY = ControlKey("JPY", "DBIT")

entries = st.lists(
    st.tuples(
        st.sampled_from([EUR, JPY, ControlKey("EUR", "DBIT"), UNREADABLE]),
        st.decimals(min_value=0, max_value=10**14, places=4, allow_nan=False),
    )
)


def total(of):
    totals = ControlTotals()
    for key, amount in of:
        totals.add(key, amount)
    return totals


def test_sums_are_exact_where_floats_are_not():
    totals = total([(EUR, Decimal("0.10"))] * 3)
    assert totals.rows() == [{"currency": "EUR", "credit_debit_indicator": "CRDT", "records": 3, "amount": "0.30"}]


def test_one_sum_has_one_text_whatever_scale_it_was_added_with():
    assert total([(EUR, Decimal("1.5000"))]).rows()[0]["amount"] == "1.50"
    assert total([(JPY, Decimal("7.0000"))]).rows()[0]["amount"] == "7"
    assert total([(JPY, Decimal("1000"))]).rows()[0]["amount"] == "1000"
    assert total([(EUR, Decimal("0.1234"))]).rows()[0]["amount"] == "0.1234"


def test_unreadable_counts_no_amount():
    totals = total([(ControlKey(None, "CRDT"), Decimal("5"))])
    assert totals.rows() == [{"currency": None, "credit_debit_indicator": None, "records": 1, "amount": "0"}]


def test_equal_whatever_the_scale_and_the_order():
    assert total([(EUR, Decimal("1.50")), (JPY, Decimal(3))]) == total([(JPY, Decimal("3.0")), (EUR, Decimal("1.5"))])


@given(entries, entries)
def test_difference_undoes_sum(first, second):
    assert (total(first) + total(second)) - total(second) == total(first)


@given(entries)
def test_rows_read_back_to_the_same_totals(of):
    assert ControlTotals.from_rows(total(of).rows()) == total(of)


@given(entries)
def test_nothing_is_left_of_a_total_less_itself(of):
    assert list((total(of) - total(of)).lines()) == []
