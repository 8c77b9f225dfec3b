"""What the platform costs on paper: lines, limits, changes, and the command that prints them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from monitoring.cost_counts import Workload
from monitoring.cost_estimate import PRICES, changes, estimate
from monitoring.cost_limits import first_reached, limits
from scripts.commands.estimate import MOVES
from scripts.orchestrate_pipeline import main

STEADY = Workload([100.0], 500, 100.0)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch):
    monkeypatch.setattr("infrastructure.settings_source._read_file", lambda file: {})


def of_service(found, service):
    return found.services()[service]


def test_a_bill_reckoned_by_hand():
    """Of 100 records of 500 bytes a second: 262.8 million a month, 269.1 GB in whole KiB, 131.4 GB as they are."""
    found = estimate(Settings(environment="prod"), STEADY, MOVES)
    by_hand = Decimal("29.20") + Decimal("21.53") + Decimal("5.26") + Decimal("5.31")
    assert of_service(found, "Kinesis") == by_hand
    assert of_service(found, "Redshift Serverless") == Decimal("146.00")  # 2,920 loads of 60 s on 8 RPU at 0.375
    assert found.total == sum(line.cost for line in found.lines)


def test_a_longer_window_costs_less_and_a_shorter_one_more():
    costs = [estimate(Settings(batch_window_seconds=seconds), STEADY, MOVES).total for seconds in (1, 5, 10)]
    assert costs == sorted(costs, reverse=True)


def test_small_raw_objects_are_not_moved_and_cost_more_in_the_end():
    """S3 moves nothing below 128 KiB: at 10 a second an object of five seconds has 4 KB."""
    small = estimate(Settings(), Workload([10.0], 500, 10.0), MOVES)
    assert not [line for line in small.lines if line.what.startswith("moves")]
    large = estimate(Settings(batch_window_seconds=300, batch_size=10_000), Workload([1000.0], 500, 1000.0), MOVES)
    assert len([line for line in large.lines if line.what.startswith("moves")]) == 2


def test_storage_grows_no_further_once_the_retention_is_over():
    found = estimate(Settings(data_retention_years=7), STEADY, MOVES, years=(1, 7, 20))
    assert found.storage[1] < found.storage[7] == found.storage[20]


@pytest.mark.parametrize("environment", ["dev", "prod"])
@pytest.mark.parametrize("rate", [10.0, 1_000_000.0])
def test_every_rate_has_a_bill_and_a_first_limit_at_which_it_is_just_reached(environment, rate):
    settings, workload = Settings(environment=environment), Workload([rate], 500, rate * 3)
    assert estimate(settings, workload, MOVES).total > 0
    limit, average = first_reached(settings, workload)
    at = replace(workload, hours=[average], peak=average * 3)
    assert limits(settings, at)[0].name == limit.name
    assert limits(settings, at)[0].share == pytest.approx(1, abs=0.001)


def test_a_limit_names_the_setting_with_which_it_is_kept():
    settings = Settings()
    workload = Workload([2000.0], 500, 2000.0)
    over = limits(settings, workload)[0]
    assert over.share > 1
    assert over.remedy.startswith("GLUE_WORKERS=")
    workers = int(over.remedy.split("=")[1].split()[0])
    assert limits(replace(settings, glue_workers=workers), workload)[0].share < 1


def test_changes_are_what_the_bill_would_be():
    now = estimate(Settings(), STEADY, MOVES).total
    by_name = {(change.setting, change.value): change.difference for change in changes(Settings(), STEADY, MOVES)}
    hourly = estimate(Settings(glue_every_minutes=60), STEADY, MOVES).total
    assert by_name["GLUE_EVERY_MINUTES", 60] == hourly - now < 0


def test_packing_saves_what_the_bill_with_it_says():
    packed = replace(STEADY, hours=[5000.0], peak=5000.0, packed=True)
    single = replace(packed, packed=False)
    saved = {change.told: change.difference for change in changes(Settings(), single, MOVES)}["produce --pack"]
    assert saved == estimate(Settings(), packed, MOVES).total - estimate(Settings(), single, MOVES).total
    kinesis = [of_service(estimate(Settings(), workload, MOVES), "Kinesis") for workload in (packed, single)]
    assert kinesis[0] < kinesis[1] * Decimal("0.62")


def test_without_a_rate_it_reckons_with_the_expected_one(capsys, monkeypatch):
    monkeypatch.setenv("EXPECTED_TPS", "250")
    assert main(["estimate", "--peak", "1"]) == 0
    assert "USD a month for 250 transactions a second" in capsys.readouterr().out


def test_each_price_has_a_unit_a_source_and_the_table_a_date():
    table = json.loads(PRICES.read_text())
    assert date.fromisoformat(table["date"])
    for row in table["prices"].values():
        assert Decimal(row["price"]) > 0
        assert row["unit"]
        assert row["source"].startswith("https://aws.amazon.com/")


def test_the_command_tells_total_first_limit_and_what_changes_most(capsys):
    assert main(["estimate", "--tps", "5000", "--peak", "3"]) == 0
    told = capsys.readouterr().out
    assert "USD a month for 5,000 transactions a second of 500 bytes, 15,000 at the peak" in told
    assert "First limit" in told
    assert "These settings can't keep up" in told
    assert "GLUE_EVERY_MINUTES=60" in told


def test_another_currency_wants_its_rate_and_json_has_exact_amounts(capsys):
    assert main(["estimate", "--tps", "100", "--peak", "1", "--json"]) == 0
    dollars = json.loads(capsys.readouterr().out)
    assert main(["estimate", "--tps", "100", "--peak", "1", "--currency", "EUR=0.5", "--json"]) == 0
    euros = json.loads(capsys.readouterr().out)
    assert (euros["currency"], Decimal(euros["total"])) == (
        "EUR",
        (Decimal(dollars["total"]) / 2).quantize(Decimal("0.01")),
    )
    with pytest.raises(SystemExit):
        main(["estimate", "--tps", "100", "--currency", "EUR"])
    assert "EUR=RATE" in capsys.readouterr().err


def test_hours_come_from_a_file_and_a_line_that_is_no_number_is_named(tmp_path, capsys):
    file = tmp_path / "hours.txt"
    file.write_text("360000\n720000\n")
    assert main(["estimate", "--hours", str(file), "--peak", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["traffic"] == {"average": 150.0, "peak": 400.0, "record_bytes": 500}
    file.write_text("360000\nmany\n")
    assert main(["estimate", "--hours", str(file)]) == 1
    assert "hours.txt, line 2: is 'many'. Write how many transactions it had" in " ".join(
        capsys.readouterr().err.split()
    )


def _table_of_docs():
    """The bill's table of docs/cost.md: amounts by row and rate."""
    text = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
    lines = text.partition("| a month |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip().replace(",", "") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip((100, 5000, 100_000), row[1:], strict=True)) for row in rows}


@pytest.mark.parametrize(("rate", "workers"), [(100, 4), (5000, 16), (100_000, 256)])
def test_the_table_of_the_docs_is_what_the_estimate_says(rate, workers):
    settings = Settings(environment="prod", glue_workers=workers)
    found = estimate(settings, Workload([float(rate)], 500, float(rate)), MOVES)
    told = {name: row[rate] for name, row in _table_of_docs().items() if not name.startswith("batches of")}
    expected = {name: str(cost) for name, cost in found.services().items()}
    assert told == expected | {"total": str(found.total), "batches": f"{found.counts.batches:.0f}"}
