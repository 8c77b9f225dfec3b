"""The command on kept state: what it refuses, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_catalog.lake_layout import run_key
from infrastructure.settings import Settings
from scripts.orchestrate_pipeline import main
from tests.pipeline.curated_runs import put_run, run_id, transaction
from tests.pipeline.test_lake_commands import Files

pytestmark = pytest.mark.slow
ACCOUNT = transaction(1)["account_id"]


@pytest.fixture(name="workdir")
def kept_state(tmp_path: Path) -> Path:
    (tmp_path / ".lock").touch()
    (tmp_path / "state.json").write_text(json.dumps({"incarnations": []}))
    return tmp_path


def erase(workdir: Path, *options: str) -> int:
    return main(["erase", "--account", ACCOUNT, "--workdir", str(workdir), *options])


def tombstones(workdir: Path) -> Path:
    return workdir / "s3" / Settings().bucket("curated") / "governance" / "tombstones.json"


def test_a_run_that_is_not_loaded_is_in_its_way(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_run(Files(workdir), "one", [transaction(1)])
    assert erase(workdir, "--yes") == 1
    assert f"run {run_id('one')}: is not in the warehouse yet" in capsys.readouterr().err
    assert not tombstones(workdir).exists()


def test_an_open_run_is_in_its_way_and_a_dry_run_says_so(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Files(workdir).put_object(Key=run_key(run_id("open"), "manifest.json"), Body=b"{}")
    assert erase(workdir, "--yes") == 1
    assert f"run {run_id('open')}: is open" in capsys.readouterr().err
    assert erase(workdir, "--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["removed"]["transactions"] == 0 and "is open" in found["refused"]
    assert not tombstones(workdir).exists()


def test_an_account_of_which_there_is_nothing_gets_its_certificate_and_stays_out(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert erase(workdir, "--yes", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    page, document = (Path(told["certificate"][place]) for place in (1, 0))
    assert page.exists() and json.loads(document.read_bytes())["completed_at"]
    assert len(json.loads(tombstones(workdir).read_bytes())["accounts"]) == 1
    assert ACCOUNT not in page.read_text() + document.read_text() + json.dumps(told)
