"""A card keeps its identity over rotations of the token key: one alert, one link for each pair of tokens."""

from __future__ import annotations

import pytest

from data_catalog.lake_tables import BY_KIND
from tests.pipeline.etl_rows import row
from tests.pipeline.test_etl_fraud import BASE, alerts, evidence, run

OLD, NEW, NEWEST = "1_old", "2_new", "3_newest"
RAPID = ("rapid_card_use", OLD, "2026-03-02 08")


def use(number, token=OLD, former=None, **fields):
    """A purchase with a card, one of five that are too many within ten minutes."""
    card = {"transaction_type": "CARD_PURCHASE", "channel": "WEB", "card_token": token, "former_card_token": former}
    card |= {"card_last4": "4242", "account_id": f"account-{number}", "schema_version": "1.2"}
    card |= {"event_time": f"2026-03-02T08:{number % 10:02}:00Z"}
    return row(number, **(card | fields))


def links(lake):
    """(token, former, first) of all links."""
    names = ("card_token", "former_card_token", "first_card_token")
    return sorted(tuple(each[name] for name in names) for each in lake.table("token_links"))


def test_without_a_rotation_there_are_no_links(lake):
    run(lake, use(1))
    assert lake.table("token_links") == []


@pytest.mark.slow
def test_uses_before_during_and_after_the_overlap_are_of_one_card(lake):
    run(lake, use(1), use(2))
    run(lake, use(3, NEW, OLD), use(4, NEW, OLD))
    assert alerts(lake) == []
    run(lake, use(5, NEW))
    assert alerts(lake) == [RAPID]
    assert evidence(lake) == [f"tx-{number:06}" for number in range(1, 6)]
    assert links(lake) == [(NEW, OLD, OLD)]


@pytest.mark.slow
@pytest.mark.parametrize("order", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (3, 1, 5, 2, 4)])
def test_the_order_of_arrival_does_not_matter_once_the_tokens_are_linked(lake, order):
    puts = {1: use(1), 2: use(2), 3: use(3, NEW, OLD), 4: use(4, NEW), 5: use(5, NEW)}
    run(lake, use(9, NEW, OLD, event_time="2026-03-01T08:00:00Z"))
    for number in order:
        run(lake, puts[number])
    assert alerts(lake) == [RAPID]


@pytest.mark.slow
def test_all_in_one_run(lake):
    run(lake, use(1), use(2), use(3, NEW, OLD), use(4, NEW), use(5, NEW))
    assert alerts(lake) == [RAPID]


@pytest.mark.slow
def test_cards_that_have_nothing_to_do_with_each_other_are_not_joined(lake):
    run(lake, use(1), use(2), use(3, NEW, OLD))
    run(lake, use(4, "2_other", "1_other"), use(5, "2_other", "1_other"), use(6, "2_unlinked"))
    assert alerts(lake) == []
    assert links(lake) == [(NEW, OLD, OLD), ("2_other", "1_other", "1_other")]


@pytest.mark.slow
def test_a_card_that_was_not_seen_in_the_overlap_begins_anew(lake):
    run(lake, use(1), use(2), use(3))
    run(lake, use(4, NEW), use(5, NEW))
    assert alerts(lake) == []


@pytest.mark.slow
def test_two_rotations_lead_to_the_first_token(lake):
    run(lake, use(1), use(2, NEW, OLD))
    run(lake, use(3, NEWEST, NEW), use(4, NEWEST))
    assert links(lake) == [(NEW, OLD, OLD), (NEWEST, NEW, OLD)]
    run(lake, use(5, NEWEST))
    assert alerts(lake) == [RAPID]
    run(lake, use(6, NEWEST))
    assert alerts(lake) == [RAPID], "more of the same hour is more evidence, under whatever token"


@pytest.mark.slow
def test_two_rotations_in_one_run_as_after_a_rebuild(lake):
    run(lake, use(1, NEWEST, NEW), use(2, NEW, OLD), use(3), use(4, NEWEST), use(5, NEW))
    assert links(lake) == [(NEW, OLD, OLD), (NEWEST, NEW, OLD)]
    assert alerts(lake) == [RAPID]


@pytest.mark.slow
def test_a_transaction_that_comes_again_after_the_rotation_is_a_duplicate_and_links_its_card(lake):
    run(lake, use(1))
    result = run(lake, use(1, NEW, OLD, sequence_number=str(BASE + 7)))
    assert result.control_totals["duplicate"].records == 1
    assert result.control_totals["quarantined"].records == 0
    assert links(lake) == [(NEW, OLD, OLD)]
    (held,) = lake.curated()
    assert (held["card_token"], held["former_card_token"]) == (OLD, None)


def test_a_refused_row_links_nothing(lake):
    run(lake, use(1, NEW, OLD, amount="-1"))
    assert links(lake) == []


@pytest.mark.slow
def test_a_link_is_kept_once_and_by_the_month_of_its_first_event(lake):
    for number in (1, 2):
        run(lake, use(number, NEW, OLD))
    assert links(lake) == [(NEW, OLD, OLD)]
    (kept,) = lake.table("token_links")
    assert f"{kept['event_date']}" == "2026-03-02"
    assert BY_KIND["token_links"].partition_transform == "month"
