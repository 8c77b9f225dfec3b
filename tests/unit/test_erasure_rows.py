"""Whether a record names an account, and what is left of a text that does."""

from __future__ import annotations

import json

import pyarrow
import pytest

from data_catalog.lake_tables import BY_KIND
from data_governance.tombstones import MASK
from data_storage.erasure_rows import Erased
from scripts.commands.confirmation import confirm_erase
from scripts.orchestrate_pipeline import main

IBAN, SHORT = "DE02120300000000202051", "4711"
KEY = b"k" * 32


def record(**fields: object) -> str:
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (record(account_id=IBAN), "own"),
        (record(account_id=f" {IBAN.lower()} "), "own"),
        (record(account_id="DE02 1203 0000 0000 2020 51"), "own"),
        (json.dumps({"account_id": IBAN}).replace("D", "\\u0044"), "own"),
        (f'{{"account_id":"{IBAN}","amo', "own"),
        (f'["{IBAN}"]', "own"),
        (record(account_id="other", counterparty_account=IBAN), "other"),
        (record(account_id="other", description=f"an {IBAN}, danke"), "other"),
        (record(account_id="other", description="an DE02 1203 0000 0000 2020 51"), "other"),
        (record(account_id="other"), ""),
        (record(account_id=f"{IBAN}9"), ""),
        (record(account_id="other", description=f"{IBAN}9"), ""),
        ("{", ""),
        ("", ""),
    ],
)
def test_a_refused_record_is_the_accounts_own_names_it_or_does_neither(payload: str, named: str) -> None:
    assert Erased(IBAN).named_in(payload) == named


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (record(account_id=4711), "own"),
        (record(account_id="other", counterparty_account="4711"), "other"),
        (record(account_id="other", amount="4711"), ""),
        (record(account_id="other", description="Rechnung 4711"), ""),
        ("4711 {", ""),
    ],
)
def test_a_short_number_is_looked_for_where_accounts_stand_only(payload: str, named: str) -> None:
    assert Erased(SHORT).named_in(payload) == named


def test_own_numbers_that_differ_in_case_are_different_accounts() -> None:
    assert Erased("ab123456").named_in(record(account_id="AB123456", description="AB123456")) == ""


def test_anothers_record_is_masked_and_otherwise_the_same() -> None:
    payload = record(account_id="other", counterparty_account=IBAN, description=f"an {IBAN.lower()}!", amount="1.00")
    assert json.loads(Erased(IBAN).masked_payload(payload)) == {
        "account_id": "other", "counterparty_account": MASK, "description": f"an {MASK}!", "amount": "1.00",
    }  # fmt: skip


def test_a_line_of_the_landing_keeps_what_it_counts_for_and_copies_stay_copies() -> None:
    control = {
        "reason": "malformed_json", "stage": "landing", "amount": "5.00", "currency": "EUR",
        "credit_debit_indicator": "DBIT", "stream_incarnation": "i", "shard_id": "s", "sequence_number": "1",
        "sub_sequence_number": 0, "arrival_time": "2026-03-02T09:00:00Z",
    }  # fmt: skip
    line = json.dumps(
        control | {"transaction_id": "t", "fingerprint": "f", "payload": record(account_id=IBAN)}
    ).encode()
    erased = Erased(IBAN)
    left = json.loads(erased.landing_line(line, KEY))
    assert {name: left[name] for name in control} == control
    assert left["payload"] == MASK and "transaction_id" not in left
    assert left["fingerprint"] != "f" and left == json.loads(erased.landing_line(line, KEY))
    again = json.dumps(left).encode()
    assert erased.landing_line(again, KEY) == again


def test_rows_without_the_account_stay_the_very_same() -> None:
    columns = ("account_id", "counterparty_account", "description", "merchant_name")
    rows = pyarrow.table({name: pyarrow.array(["other", None], pyarrow.string()) for name in columns})
    rows = rows.set_column(0, "account_id", pyarrow.array(["a", "b"]))
    assert Erased(IBAN).change(BY_KIND["curated"], rows) is rows


def test_an_alert_goes_if_it_is_about_the_account_or_rests_on_it_alone() -> None:
    rows = pyarrow.table(
        {
            "alert_id": ["a", "b", "c"],
            "subject_type": ["ACCOUNT", "CARD", "CARD"],
            "subject": [IBAN, "1_token", "1_token"],
        }
    )
    left = Erased(IBAN, alerts={"c"}).change(BY_KIND["fraud_alerts"], rows)
    assert left["alert_id"].to_pylist() == ["b"]


@pytest.mark.parametrize("account", ["", "with space", "x" * 35, "tab\t", "ä"])
def test_what_is_no_account_is_a_usage_error(account: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["erase", "--account", account])
    assert left.value.code == 1
    assert "is no account" in capsys.readouterr().err


def test_without_a_terminal_it_wants_yes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["erase", "--account", IBAN]) == 1
    said = capsys.readouterr().err
    assert "--yes" in said and IBAN not in said
    confirm_erase(IBAN, yes=True)


def test_sightings_of_an_account_go_and_those_of_others_who_paid_it() -> None:
    rows = pyarrow.table({"account_id": [IBAN, "other", "other"], "counterparty_account": [None, IBAN, None]})
    assert Erased(IBAN).takes_out(BY_KIND["sightings"], rows).to_pylist() == [True, True, False]
