"""Rules on trial are compared with today's on what the lake holds of the dates asked for, and nothing else is read."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from data_processing.fraud_rule_file import shipped_rules
from data_processing.fraud_rules import Measure
from data_processing.job_package import SHIPPED_FILE
from data_processing.rule_backtest import Noise, RuleFigures, backtest
from data_processing.sightings import HELD, months_looked_at
from infrastructure.aws.iceberg import files_on
from infrastructure.aws.s3_objects import split_location
from infrastructure.settings import Settings
from scripts.commands import backtest as command
from scripts.orchestrate_pipeline import main
from tests.pipeline.etl_rows import row
from tests.pipeline.test_etl_fraud_rules import DAY, DEPOSIT, MINUTE, SCHEMA, START, transaction

TODAY = [rule for rule in shipped_rules() if rule.name in ("structured_deposits", "large_amount")]
ON_TRIAL = [
    replace(TODAY[0], name="larger_amount"),
    *(replace(rule, raised_by=(Measure("uses", 2),)) for rule in TODAY if rule.name == "structured_deposits"),
]


def rows():
    """A has three deposits today, B two; C has a large amount; D has three deposits the day before the dates."""
    deposits = [("A", START + n * MINUTE) for n in range(3)] + [("B", START + n * MINUTE) for n in range(2)]
    deposits += [("D", START - DAY + n * MINUTE) for n in range(3)]
    for account, at in deposits:
        yield at, DEPOSIT | {"account_id": account}
    yield START, {"account_id": "C", "amount": "20000.00"}


@pytest.fixture(scope="module")
def found(spark):
    made = [transaction(number, at, **fields) for number, (at, fields) in enumerate(rows())]
    frame = spark.createDataFrame([tuple(each.values()) for each in made], SCHEMA)
    return backtest(frame, ON_TRIAL, TODAY, START.date(), START.date() + DAY)


def test_alerts_of_a_rule_are_told_apart_by_whether_todays_rule_raises_them(found):
    by_rule = {each.rule: each for each in found.by_rule}
    deposits = RuleFigures("structured_deposits", raised=2, today=1, new=1, gone=0, known=1)
    assert by_rule["structured_deposits"] == deposits
    assert by_rule["large_amount"] == RuleFigures("large_amount", raised=0, today=1, new=0, gone=1, known=0)


def test_an_alert_under_another_name_is_new_and_its_subject_known(found):
    by_rule = {each.rule: each for each in found.by_rule}
    assert by_rule["larger_amount"] == RuleFigures("larger_amount", raised=1, today=0, new=1, gone=0, known=1)


def test_noise_is_told_by_day_and_by_account(found):
    assert (found.transactions, found.accounts) == (6, 3)
    assert found.on_trial == Noise(3, 1.5, 1000.0, subjects=3, noisy=0)
    assert found.today == Noise(2, 1.0, 2000 / 3, subjects=2, noisy=0)


def test_rules_with_a_history_are_asked_of_the_lakes_sightings(spark):
    rules = [rule for rule in shipped_rules() if rule.name == "new_payee"]
    paid = {"transaction_type": "TRANSFER", "amount": "3000.00"}
    made = [transaction(1, START, **paid) | {"counterparty_account": "P"}, transaction(2, START, **paid, account_id="B")
            | {"counterparty_account": "P"}]  # fmt: skip
    frame = spark.createDataFrame([tuple(each.values()) for each in made], SCHEMA + ", counterparty_account string")
    before = START - 40 * DAY
    seen = [("A", None, before), ("A", "Q", before), ("B", None, before), ("B", "P", before)]
    dates = START.date(), START.date()
    found = backtest(frame, rules, rules, *dates, spark.createDataFrame(seen, HELD))
    assert found.by_rule == (RuleFigures("new_payee", raised=1, today=1, new=0, gone=0, known=1),)


def deposit(number, day, account="A"):
    at = f"2026-03-{day:02d}T08:0{number % 10}:00Z"
    cash = {"transaction_type": "DEPOSIT", "channel": "ATM", "amount": "4000.00", "credit_debit_indicator": "CRDT"}
    return row(number, event_time=at, arrival_time="2026-03-09T00:00:00Z", account_id=account, **cash)


class Asked:
    """A table's files that were asked for, by key."""

    def __init__(self, s3):
        self._s3 = s3
        self.keys: list[str] = []

    def get_object(self, *, Bucket, Key):
        self.keys.append(Key)
        return self._s3.get_object(Bucket=Bucket, Key=Key)


@pytest.fixture
def asked(lake, spark, monkeypatch):
    """A lake with deposits of 2, 4 and 6 March, as the command's context."""
    lake.land([deposit(n, 2) for n in (1, 2, 3)] + [deposit(4, 4), deposit(5, 6)], 1, 5)
    lake.run()
    s3 = Asked(lake.s3)
    context = SimpleNamespace(s3=s3, settings=Settings(), tables=lake.catalog.table)

    @contextmanager
    def opened(_):
        yield context

    @contextmanager
    def session(*_):
        yield spark

    monkeypatch.setattr(command, "open_context", opened)
    monkeypatch.setattr(command, "_spark", session)
    return s3


@pytest.mark.slow
def test_the_command_reads_the_files_of_its_dates_and_of_the_day_before_alone(asked, lake, capsys):
    arguments = ["backtest", "--rules", str(SHIPPED_FILE), "--from", "2026-03-03", "--to", "2026-03-04", "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["from"], told["to"], told["transactions"]) == ("2026-03-03", "2026-03-04", 1)
    wanted = list(files_on(lake.catalog.table("transactions"), [date(2026, 3, day) for day in (2, 3, 4)]))
    wanted += files_on(lake.catalog.table("sightings"), months_looked_at([date(2026, 3, 4)]))
    assert sorted(asked.keys) == sorted(split_location(file.file_path)[1] for file in wanted)
    assert len(asked.keys) == told["files_read"]
    assert told["today"]["alerts"] == 0, "deposits of the day before raise an alert of that day"


@pytest.mark.slow
def test_the_command_tells_figures_and_no_account(asked, tmp_path, capsys):
    own = tmp_path / "own.toml"
    both = 'measure = "uses", at_least = {} }}, {{ measure = "total"'
    own.write_text(SHIPPED_FILE.read_text().replace(both.format(3), both.format(4)))
    assert main(["backtest", "--rules", str(own), "--from", "2026-03-02", "--to", "2026-03-06"]) == 0
    out = capsys.readouterr().out
    figures = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith("structured")}
    assert figures == {"structured_deposits": ["0", "1", "0", "1", "0"]}
    assert out.splitlines()[-1].startswith("0 alerts, 1 today, on 5 transactions of 1 accounts")
    assert max(map(len, out.splitlines()[:-1])) <= 80


@pytest.mark.slow
def test_dates_without_transactions_are_told(asked, capsys):
    assert main(["backtest", "--rules", str(SHIPPED_FILE), "--from", "2025-03-03", "--to", "2025-03-04"]) == 1
    assert "lake: has no transaction from 2025-03-02 to 2025-03-04" in capsys.readouterr().err


def test_dates_in_the_wrong_order_are_told(capsys):
    assert main(["backtest", "--rules", str(SHIPPED_FILE), "--from", "2026-03-04", "--to", "2026-03-03"]) == 1
    assert "--to 2026-03-03 lies before --from 2026-03-04" in capsys.readouterr().err


def test_a_fault_in_the_rules_is_told_before_anything_is_read(tmp_path: Path, capsys):
    (tmp_path / "own.toml").write_text("[[rule]]\n")
    arguments = ["backtest", "--rules", str(tmp_path / "own.toml"), "--from", "2026-03-02", "--to", "2026-03-03"]
    assert main(arguments) == 1
    assert "own.toml: has rule, which has no meaning there. Did you mean rules?" in capsys.readouterr().err
