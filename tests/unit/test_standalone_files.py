"""Files that people start by themselves: help where it is asked for, no traceback where the environment is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ORCHESTRATOR = ROOT / "scripts" / "orchestrate_pipeline.py"


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("data_ingestion/process_transaction_lambda.py", "STREAM_INCARNATION"),
        ("data_processing/etl_transaction_processing.py", "--deduplication_window_days"),
    ],
)
def test_what_lambda_and_glue_run_tells_what_it_is(file: str, says: str) -> None:
    told = subprocess.run([sys.executable, ROOT / file, "--help"], capture_output=True, text=True, check=True)
    assert says in told.stdout and told.stderr == ""


def test_the_orchestrator_is_a_program() -> None:
    assert ORCHESTRATOR.stat().st_mode & 0o111 == 0o111
    assert ORCHESTRATOR.read_text().startswith("#!/usr/bin/env python3\n")


def test_another_python_is_told_how_to_get_the_environment(tmp_path: Path) -> None:
    copy = tmp_path / "scripts" / "orchestrate_pipeline.py"
    copy.parent.mkdir()
    shutil.copy(ORCHESTRATOR, copy)
    ran = subprocess.run([sys.executable, "-I", "-S", copy, "plan"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "Run make setup" in ran.stderr and "Traceback" not in ran.stderr


def test_another_python_goes_on_with_the_environment_that_is_there(tmp_path: Path) -> None:
    copy = tmp_path / "scripts" / "orchestrate_pipeline.py"
    copy.parent.mkdir()
    shutil.copy(ORCHESTRATOR, copy)
    stand_in = tmp_path / ".venv" / "bin" / "python"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text('#!/bin/sh\necho "went on: $2 $3"\n')
    stand_in.chmod(0o755)
    ran = subprocess.run([sys.executable, "-I", "-S", copy, "plan", "--json"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "went on: plan --json\n")
