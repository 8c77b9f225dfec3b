"""Made-up fraud is of the contract, carries no label, and is told by a file of its own."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from data_catalog.transaction_contract import TRANSACTION_FIELDS
from data_ingestion.fraud_scenarios import LABEL_FIELDS, scenarios, write_labels
from data_ingestion.transaction_generator import generate, generate_with_fraud
from data_ingestion.transaction_validation import Valid, validate
from data_processing.fraud_rule_file import shipped_rules
from scripts.commands.command_line import run


@pytest.fixture(scope="module")
def told():
    return list(scenarios(20, seed=3, honest=2))


def test_every_rule_has_frauds_and_honest_likenesses(told):
    for rule in shipped_rules():
        own = [each.is_fraud for each in told if each.kind == rule.name]
        assert (own.count(True), own.count(False)) == (20, 40)


def test_the_same_seed_gives_the_same_scenarios(told):
    assert list(scenarios(20, seed=3, honest=2)) == told
    assert list(scenarios(20, seed=4, honest=2)) != told


def test_a_record_has_the_fields_of_the_contract_alone(told):
    known = {field.name for field in TRANSACTION_FIELDS}
    for each in told:
        for transaction in each.transactions:
            assert transaction.keys() <= known


def test_every_record_is_valid(told):
    for each in told:
        for transaction in each.transactions:
            assert isinstance(validate(json.dumps(transaction).encode(), datetime.now(UTC)), Valid)


def test_the_labels_are_those_of_fraud_and_name_each_transaction_once(told):
    file = io.StringIO()
    write_labels(told, file)
    file.seek(0)
    labels = list(csv.DictReader(file))
    assert tuple(labels[0]) == LABEL_FIELDS
    frauds = [
        transaction["transaction_id"]
        for each in told
        if each.is_fraud
        for transaction in each.transactions
        if transaction["event_time"] >= "2026-03"  # what the account did before is honest
    ]
    assert [label["transaction_id"] for label in labels] == frauds
    assert len(set(frauds)) == len(frauds)


def test_what_an_account_did_before_lies_on_few_dates(told):
    dates = {transaction["event_time"][:10] for each in told for transaction in each.transactions[: each.before]}
    assert 0 < len(dates) <= 4, "each date is a partition of the lake"
    assert max(dates) < "2026-02"


def test_scenarios_are_added_to_the_feed_and_change_nothing_else(told):
    added = [json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode()
             for scenario in told for each in scenario.transactions]  # fmt: skip
    feed = list(generate_with_fraud(500, 3, told))
    assert [record for record in feed if record in set(added)] == added
    assert [record for record in feed if record not in set(added)] == list(generate(500, 3))


def test_sample_writes_the_labels_beside_its_records(tmp_path, capfdbinary):
    labels = tmp_path / "labels.csv"
    assert run(["sample", "--transactions", "50", "--frauds", "1", "--labels", str(labels)], None, "") == 0
    records = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines() if line.endswith(b"}")]
    labelled = {label["transaction_id"] for label in csv.DictReader(labels.read_text().splitlines())}
    assert labelled and labelled < {record.get("transaction_id") for record in records}


def test_sample_refuses_frauds_without_a_place_for_their_labels(capsys):
    assert run(["sample", "--frauds", "1"], None, "") == 1
    assert "--frauds and --labels go together" in capsys.readouterr().err


def test_a_file_of_labels_that_cannot_be_written_is_told(tmp_path, capsys):
    assert run(["sample", "--frauds", "1", "--labels", str(tmp_path / "none" / "labels.csv")], None, "") == 1
    assert "cannot be written (No such file or directory)" in capsys.readouterr().err
