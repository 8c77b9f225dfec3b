"""plan, apply, status and destroy as commands, against a moto server in another process."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import boto3
import pytest

from infrastructure.settings import Settings
from tests.moto_server import server_process

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An emulated account of this module's own."""
    with server_process() as url:
        yield url


@pytest.fixture
def run(endpoint: str) -> Iterator[Run]:
    """Run the command line on an empty server; gives the finished process."""

    def command(*arguments: str, script: str = "scripts/orchestrate_pipeline.py", **environment: str) -> Any:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        aws = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "eu-central-1",
        }
        unset = {field.name.upper(): "" for field in fields(Settings)}  # stands above a .env file
        return subprocess.run(
            [sys.executable, script, *arguments],
            cwd=ROOT,
            env=kept | unset | aws | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    reset(endpoint)
    yield command
    reset(endpoint)


def reset(endpoint: str) -> None:
    request = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=30).close()


def client(endpoint: str, service: str) -> Any:
    return boto3.client(
        service,
        "eu-central-1",
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def test_plan_apply_plan_status_destroy(run: Run, endpoint: str) -> None:
    planned = run("plan")
    assert planned.returncode == 2, planned.stderr
    assert "account 123456789012  region eu-central-1  environment dev" in planned.stdout.splitlines()[0]
    assert f"endpoint {endpoint} (not AWS)" in planned.stdout
    assert "+ Kinesis::Stream" in planned.stdout
    assert client(endpoint, "kinesis").list_streams()["StreamNames"] == []

    applied = run("apply")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert "0 failed" in applied.stdout
    assert client(endpoint, "kinesis").list_streams()["StreamNames"] == ["banking-data-dev-transactions"]

    again = run("plan")
    assert again.returncode == 0, again.stdout
    assert "No changes." in again.stdout

    stream = client(endpoint, "kinesis")
    stream.decrease_stream_retention_period(StreamName="banking-data-dev-transactions", RetentionPeriodHours=24)
    drifted = run("plan", "--only", "data_ingestion")
    assert drifted.returncode == 2
    assert "RetentionPeriodHours  24 -> 168" in drifted.stdout

    alone = run(script="data_ingestion/create_kinesis_stream.py")
    assert alone.returncode == 0, alone.stderr
    assert "1 changed" in alone.stdout

    status = run("status")
    assert status.returncode == 0, status.stderr
    assert "banking-data-dev-transactions is ACTIVE: 4 shards, ON_DEMAND, keeps 168 h" in status.stdout

    destroyed = run("destroy")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert "What has not landed is lost with the stream" in destroyed.stdout
    assert client(endpoint, "kinesis").list_streams()["StreamNames"] == []
    assert "--delete-data removes what holds data" in destroyed.stdout

    gone = run("destroy", "--delete-data", "--confirm", "dev")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert client(endpoint, "s3").list_buckets()["Buckets"] == []
    assert "Must stay for now" in gone.stdout
    assert "apply before then restores it" in gone.stdout


def test_another_account_than_expected_is_refused_before_any_change(run: Run, endpoint: str) -> None:
    refused = run("apply", EXPECTED_ACCOUNT_ID="210987654321")
    assert refused.returncode == 1
    assert "account 123456789012" in refused.stdout
    assert "is not EXPECTED_ACCOUNT_ID (210987654321); nothing was changed" in refused.stderr
    assert client(endpoint, "s3").list_buckets()["Buckets"] == []


def test_prod_is_destroyed_by_name_only(run: Run, endpoint: str) -> None:
    settings = {"ENVIRONMENT": "prod"}
    assert run("apply", "--only", "security", **settings).returncode == 0
    unnamed = run("destroy", "--delete-data", **settings)
    assert unnamed.returncode == 1
    assert "Repeat the command with --confirm prod" in unnamed.stderr
    wrong = run("destroy", "--delete-data", "--confirm", "dev", **settings)
    assert wrong.returncode == 1
    assert "nothing was removed" in wrong.stderr
    keys = client(endpoint, "kms")
    assert keys.describe_key(KeyId="alias/banking-data-prod-data")["KeyMetadata"]["KeyState"] == "Enabled"
    named = run("destroy", "--delete-data", "--confirm", "prod", **settings)
    assert named.returncode == 0, named.stdout + named.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (("plan", "--only", "kinesis"), {}, "there is no part 'kinesis'"),
        (("plan", "--only", "athena", "--except", "data_catalog"), {}, "nothing is left of this selection"),
        (("plan", "--environment", "staging"), {}, "invalid choice"),
        (("plan", "--profile", "nobody"), {}, "Name a profile"),
        (("plan",), {"AWS_REGION": ""}, "no region was given"),
        (("plan",), {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no AWS credentials were found"),
        (("plan",), {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Could not connect"),
        (("plan",), {"STREAM_RETENTION_HOURS": "24"}, "STREAM_RETENTION_HOURS is 24"),
        (("plan",), {"SHARD_COUNT": "many"}, "whole number"),
        (("apply", "--only", "data_ingestion"), {}, "Apply security first"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_ends_with_one_clear_line_and_status_1(
    arguments: tuple[str, ...], environment: dict[str, str], told: str, run: Run
) -> None:
    finished = run(*arguments, **environment)
    assert finished.returncode == 1
    assert told in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    "script", ["data_ingestion/create_kinesis_stream.py", "data_governance/compliance_controls.py"]
)
def test_a_usage_error_of_a_file_run_alone_ends_with_status_1_too(script: str, run: Run) -> None:
    finished = run("--environment", "staging", script=script)
    assert finished.returncode == 1
    assert "invalid choice: 'staging'" in finished.stderr
