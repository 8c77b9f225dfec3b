"""The job and an account that was erased: its rows end as erased, and it is masked where it is a counterparty."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from data_governance.control_totals import ControlTotals
from data_governance.run_result import RunResult
from data_governance.tombstones import MASK, Tombstones, add_tombstone, masked_form, read_tombstones
from tests.pipeline.etl_lake import BUCKETS, EmulatedLake
from tests.pipeline.etl_rows import row

BASE = 49600000000000000000
GONE = "DE02120300000000202051"
TODAY = date(2026, 3, 1)


def everything_kept(lake: EmulatedLake) -> bytes:
    """All that lies in the curated and the quarantine bucket but what the landing wrote."""
    return b"".join(
        lake.body(bucket, key)
        for bucket in (BUCKETS.curated, BUCKETS.quarantine)
        for key in lake.keys(bucket)
        if not key.startswith("quarantine/")
    )


def ran(lake: EmulatedLake) -> RunResult:
    (result,) = lake.run()
    return result


def test_rows_of_an_erased_account_end_as_erased_and_all_that_landed_is_accounted_for(lake: EmulatedLake) -> None:
    add_tombstone(lake.s3, BUCKETS.curated, GONE, TODAY)
    rows = [
        row(1),
        row(2, account_id=GONE),
        row(3, account_id=GONE, status="PENDING", amount="7.00"),
        row(4, account_id=GONE, amount="x"),
        row(5, amount="x"),
        row(1, sequence_number=str(BASE + 6)),
        row(2, account_id=GONE, sequence_number=str(BASE + 7)),
    ]
    lake.land(rows, BASE + 1, BASE + 7)
    totals = {hop: each.records for hop, each in ran(lake).control_totals.items()}
    assert totals == {
        "landed": 7, "redelivered": 0, "duplicate": 1, "quarantined": 1, "erased": 4,
        "curated": 1, "ledger": 1, "pending": 0,
    }  # fmt: skip
    assert GONE.encode() not in everything_kept(lake)


@pytest.mark.slow
def test_an_id_of_an_erased_row_is_free_for_another_account(lake: EmulatedLake) -> None:
    add_tombstone(lake.s3, BUCKETS.curated, GONE, TODAY)
    lake.land([row(1, account_id=GONE), row(1, sequence_number=str(BASE + 2))], BASE + 1, BASE + 2)
    result = ran(lake)
    assert (result.erased.records, result.quarantined_by_reason) == (1, {})
    assert [each["sequence_number"] for each in lake.curated()] == [str(BASE + 2)]


@pytest.mark.slow
def test_an_erased_counterparty_is_masked_and_a_duplicate_of_the_row_is_still_one(lake: EmulatedLake) -> None:
    lake.land([row(1, counterparty_account=GONE)], BASE + 1, BASE + 1)
    lake.run()
    add_tombstone(lake.s3, BUCKETS.curated, GONE, TODAY)
    again = row(1, counterparty_account=GONE, sequence_number=str(BASE + 2))
    new = row(3, counterparty_account=GONE, transaction_id="new")
    faulty = row(4, counterparty_account=GONE, amount="x")
    conflict = row(1, counterparty_account=GONE, amount="99.00", sequence_number=str(BASE + 5))
    lake.land([again, new, faulty, conflict], BASE + 2, BASE + 5)
    result = ran(lake)
    assert {hop: result.control_totals[hop].records for hop in ("duplicate", "erased", "quarantined", "ledger")} == {
        "duplicate": 1, "erased": 0, "quarantined": 2, "ledger": 1,
    }  # fmt: skip
    (added,) = [each for each in lake.curated() if each["transaction_id"] == "new"]
    assert added["counterparty_account"] == MASK
    assert {json.loads(each["payload"])["counterparty_account"] for each in lake.quarantine()} == {MASK}


@pytest.mark.slow
def test_what_the_landing_refuses_of_an_erased_account_stays_out_of_the_quarantine_table(lake: EmulatedLake) -> None:
    add_tombstone(lake.s3, BUCKETS.curated, GONE, TODAY)
    lake.refuse([1], BASE + 1, BASE + 1, payload=json.dumps({"account_id": GONE, "amount": "x"}))
    lake.refuse([2], BASE + 2, BASE + 2, payload=json.dumps({"account_id": "other", "counterparty_account": GONE}))
    lake.land([row(3)], BASE + 3, BASE + 3)
    lake.run()
    assert [json.loads(each["payload"]) for each in lake.quarantine()] == [
        {"account_id": "other", "counterparty_account": MASK}
    ]


def test_a_result_of_before_erasures_has_none() -> None:
    old = RunResult("2026-03-0123456789abcdef", datetime(2026, 3, 1, tzinfo=UTC), (), (), {})
    assert old.erased == ControlTotals()


def test_the_key_is_made_once_and_an_account_keeps_the_day_of_its_first_erasure(lake: EmulatedLake) -> None:
    assert read_tombstones(lake.s3, BUCKETS.curated) is None
    first = add_tombstone(lake.s3, BUCKETS.curated, GONE, TODAY)
    add_tombstone(lake.s3, BUCKETS.curated, "other", date(2026, 4, 1))
    again = add_tombstone(lake.s3, BUCKETS.curated, GONE, date(2026, 5, 1))
    assert again.key == first.key
    assert sorted(again.accounts.values()) == [TODAY, date(2026, 4, 1)]
    assert again.holds(GONE) and not again.holds("another") and not again.holds(None)
    assert GONE.encode() not in again.to_json()


def test_the_hash_is_hmac_sha256() -> None:
    # RFC 4231, test case 2
    known = Tombstones(b"Jefe", {}).hash_of("what do ya want for nothing?")
    assert known == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@pytest.mark.parametrize(("account", "shown"), [(GONE, "*" * 18 + "2051"), ("12345678", "*******8"), ("7", "7")])
def test_the_masked_form_shows_the_last_four_of_a_long_number(account: str, shown: str) -> None:
    assert masked_form(account) == shown
