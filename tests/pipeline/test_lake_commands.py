"""The commands on kept state, as people call them: what they do, print and answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infrastructure.local.redshift.postgresql import query
from infrastructure.settings import Settings
from scripts.orchestrate_pipeline import main
from tests.pipeline.curated_runs import put_run, transaction


class Files:
    """Puts objects where a workdir keeps its curated bucket."""

    def __init__(self, workdir: Path) -> None:
        self._bucket = workdir / "s3" / Settings().bucket("curated")

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> None:
        path = self._bucket / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """What a run leaves that was killed before its load."""
    (tmp_path / ".lock").touch()
    (tmp_path / "state.json").write_text(json.dumps({"incarnations": []}))
    return tmp_path


@pytest.mark.slow
def test_load_loads_what_a_killed_run_left_and_tells_of_each_run(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [transaction(number) for number in range(30)]
    first = put_run(Files(workdir), "one", rows[:20])
    second = put_run(Files(workdir), "two", rows[15:], created_at=datetime(2026, 3, 6, tzinfo=UTC))

    assert main(["load", "--workdir", str(workdir)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"run {first}: 20 of 20 rows were new, 0 of them pending, 0 fraud alerts; 1 more to load",
        f"run {second}: 10 of 15 rows were new, 0 of them pending, 0 fraud alerts",
    ]
    assert query(workdir / "warehouse", "SELECT COUNT(*) FROM banking.fact_transactions") == [(30,)]

    assert main(["load", "--workdir", str(workdir)]) == 0
    assert capsys.readouterr().out == "Nothing to load: the warehouse holds every run that has a result\n"


@pytest.mark.parametrize("date", ["2026-13-45", "2026-02-29", "yesterday", "2026-03-02T00:00:00"])
def test_a_date_that_is_none_is_a_usage_error(date: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["reconcile", "--date", date])
    assert left.value.code == 1
    assert f"{date!r} is no date of the form YYYY-MM-DD" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["reconcile --metric --date 2026-03-02", "plan --metric --destroy"])
def test_a_metric_is_of_the_whole_and_of_nothing_else(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 1
    assert "--metric: is of" in capsys.readouterr().err


@pytest.mark.slow
def test_an_id_that_is_final_twice_is_told_and_moved(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = transaction(2, event_time=datetime(2026, 1, 2, tzinfo=UTC), sequence_number="1")
    first = put_run(Files(workdir), "one", [transaction(1), transaction(2)])
    second = put_run(Files(workdir), "two", [again], created_at=datetime(2026, 3, 6, tzinfo=UTC))
    assert main(["load", "--workdir", str(workdir)]) == 0
    capsys.readouterr()

    look = ["reconcile", "--ids", "--workdir", str(workdir)]
    assert main([*look, "--json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert told == {
        "transaction_id": again["transaction_id"],
        "first_date": str(transaction(2)["event_date"]),
        "first_run": first,
        "event_date": "2026-01-02",
        "run_id": second,
        "moved": False,
    }
    assert main(["reconcile", "--repair", "--workdir", str(workdir)]) == 1
    assert "--repair: is for --ids" in capsys.readouterr().err
    assert query(workdir / "warehouse", "SELECT COUNT(*) FROM banking.fact_transactions") == [(3,)]
