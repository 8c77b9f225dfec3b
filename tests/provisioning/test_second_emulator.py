"""A second emulator as a check: another team's reading of AWS's documents, with other faults than moto's.

ministack has an environment of its own, because it pins botocore: make ministack. Without it this is skipped by name.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from scripts.acceptance.emulators import DIFFERENCES
from tests.provisioning.command_line import ROOT, Run, client

STARTS_WITHIN_SECONDS = 60
PREFIX = "banking-data-dev"
# What ministack does not keep or not return, however often it is applied.
LEFT = {difference.left for difference in DIFFERENCES} - {("", "")}


def ministack() -> str | None:
    own = ROOT / ".venv-ministack" / "bin" / "ministack"
    return str(own) if os.access(own, os.X_OK) else shutil.which("ministack")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = ministack()
    if program is None:
        pytest.skip("test_second_emulator: no ministack on the PATH nor in .venv-ministack (make ministack)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("ministack")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    with (
        (home / "log").open("w") as log,
        subprocess.Popen([program], env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}", home / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait_for(url: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while True:
        try:
            client(url, "sts").get_caller_identity()
        except BotoCoreError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        else:
            return


@pytest.fixture
def run(endpoint: str) -> Run:
    return Run(endpoint)


def left(run: Run) -> set[tuple[str, str]]:
    """What a plan would change, as type and property."""
    planned = json.loads(run("plan", "--json").stdout)
    assert {change["action"] for change in planned["changes"]} <= {"update"}
    return {
        (change["id"].partition("/")[0], difference["path"].partition(".")[0])
        for change in planned["changes"]
        for difference in change["differences"]
    }


def test_apply_plan_drift_and_destroy_work_as_on_moto(run: Run, endpoint: str) -> None:
    applied = run("apply")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert left(run) == LEFT

    for by_hand in (lower_retention, open_a_bucket, disable_the_mapping):
        by_hand(endpoint)
    assert left(run) - LEFT == {
        ("AWS::Kinesis::Stream", "RetentionPeriodHours"),
        ("AWS::S3::Bucket", "PublicAccessBlock"),
        ("AWS::Lambda::EventSourceMapping", "Enabled"),
    }
    assert run("apply").returncode == 0
    assert left(run) == LEFT

    destroyed = run("destroy", "--delete-data", "--confirm", "dev")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert client(endpoint, "s3").list_buckets()["Buckets"] == []
    assert client(endpoint, "kinesis").list_streams()["StreamNames"] == []


def lower_retention(endpoint: str) -> None:
    kinesis = client(endpoint, "kinesis")
    kinesis.decrease_stream_retention_period(StreamName=f"{PREFIX}-transactions", RetentionPeriodHours=24)


def open_a_bucket(endpoint: str) -> None:
    s3 = client(endpoint, "s3")
    raw = next(each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith(f"{PREFIX}-raw-"))
    s3.delete_public_access_block(Bucket=raw)


def disable_the_mapping(endpoint: str) -> None:
    lambda_: Any = client(endpoint, "lambda")
    (mapping,) = lambda_.list_event_source_mappings(FunctionName=f"{PREFIX}-process-transaction")["EventSourceMappings"]
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
