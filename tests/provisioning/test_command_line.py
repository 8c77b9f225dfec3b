"""The commands that work on an account, as people run them, against a moto server in another process."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.orchestrate_pipeline import main
from tests.provisioning.command_line import Run, client


@pytest.mark.slow
def test_plan_apply_plan_status_destroy(run: Run, endpoint: str) -> None:
    planned = run("plan")
    assert planned.returncode == 2, planned.stderr
    assert "account 123456789012  region eu-central-1  environment dev" in planned.stdout.splitlines()[0]
    assert f"endpoint {endpoint} (not AWS)" in planned.stdout
    assert "+ Kinesis::Stream" in planned.stdout
    assert re.search(r"Costs about [0-9,]+ USD a month at 100 transactions a second", planned.stdout)
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
    assert "Costs" not in drifted.stdout  # of a part alone no bill can be told
    assert "RetentionPeriodHours  24 -> 168" in drifted.stdout

    alone = run(script="data_ingestion/create_kinesis_stream.py")
    assert alone.returncode == 0, alone.stderr
    assert "1 changed" in alone.stdout

    status = run("status")
    assert status.returncode == 0, status.stderr
    assert "banking-data-dev-transactions is ACTIVE: 4 shards, ON_DEMAND, keeps 168 h" in status.stdout

    destroyed = run("destroy", "--confirm", "dev")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert "What has not landed is lost with the stream" in destroyed.stdout
    assert client(endpoint, "kinesis").list_streams()["StreamNames"] == []
    assert "--delete-data removes what holds data" in destroyed.stdout

    gone = run("destroy", "--delete-data", "--confirm", "dev")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert client(endpoint, "s3").list_buckets()["Buckets"] == []
    assert "Must stay for now" in gone.stdout
    assert "apply before then restores it" in gone.stdout


@pytest.mark.slow
def test_the_exit_status_of_status_gates_a_job(run: Run, endpoint: str) -> None:
    assert run("status").returncode == 1, "nothing exists"
    assert run("apply").returncode == 0
    assert run("status").returncode == 0
    lambda_ = client(endpoint, "lambda")
    for subject, source in (("event source", ":kinesis:"), ("fraud alerts", ":sqs:")):
        found = lambda_.list_event_source_mappings()["EventSourceMappings"]
        (uuid,) = [mapping["UUID"] for mapping in found if source in mapping["EventSourceArn"]]
        lambda_.update_event_source_mapping(UUID=uuid, Enabled=False)
        stopped = run("status", "--json")
        assert stopped.returncode == 1
        assert [each["subject"] for each in json.loads(stopped.stdout) if each["well"] is False] == [subject]
        lambda_.update_event_source_mapping(UUID=uuid, Enabled=True)


def test_another_account_than_expected_is_refused_before_any_change(run: Run, endpoint: str) -> None:
    refused = run("apply", EXPECTED_ACCOUNT_ID="210987654321")
    assert refused.returncode == 1
    assert "account 123456789012" in refused.stdout
    assert "is not EXPECTED_ACCOUNT_ID (210987654321); nothing was changed" in refused.stderr
    assert client(endpoint, "s3").list_buckets()["Buckets"] == []


@pytest.mark.slow
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
        (("plan",), {"AWS_REGION": "eu-centrl-1"}, "Did you mean eu-central-1?"),
        (("plan", "--region", "eu-centrl-1"), {}, "Did you mean eu-central-1?"),
        (("apply",), {"EXPECTED_ACOUNT_ID": "210987654321"}, "Did you mean EXPECTED_ACCOUNT_ID?"),
        (("produce", "--input", "absent.ndjson"), {}, "absent.ndjson: cannot be read (No such file or directory)"),
        (("produce", "--input", "README.md"), {}, "README.md: not NDJSON"),
        (("load",), {}, "this endpoint only emulates one"),
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


PRODUCE = pytest.mark.parametrize(
    "produce",
    [
        pytest.param(("scripts/orchestrate_pipeline.py", "produce"), id="command"),
        pytest.param(("data_ingestion/transaction_producer.py",), id="file"),
    ],
)
PROD_OF_MYBANK = {"PROJECT": "mybank", "ENVIRONMENT": "prod", "AWS_REGION": "eu-west-1"}


def make_stream(endpoint: str, name: str, region: str = "eu-central-1") -> Any:
    kinesis = client(endpoint, "kinesis", region)
    kinesis.create_stream(StreamName=name, ShardCount=1)
    return kinesis


def streamed(kinesis: Any, name: str) -> list[bytes]:
    """All records of a stream of one shard."""
    (shard,) = kinesis.list_shards(StreamName=name)["Shards"]
    place = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    return [record["Data"] for record in kinesis.get_records(ShardIterator=place)["Records"]]


def transactions(count: int) -> list[bytes]:
    return [
        b'{"account_id": "A%d", "amount": "1.50", "currency": "EUR", "credit_debit_indicator": "DBIT"}' % number
        for number in range(count)
    ]


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """Three transactions."""
    file = tmp_path / "feed.ndjson"
    file.write_bytes(b"\n".join(transactions(3)))
    return file


@PRODUCE
def test_produce_puts_on_the_stream_of_the_settings_and_prints_whose_it_is(
    produce: tuple[str, ...], run: Run, endpoint: str, feed: Path
) -> None:
    script, *command = produce
    kinesis = make_stream(endpoint, "mybank-prod-transactions", "eu-west-1")

    finished = run(*command, "--input", str(feed), script=script, **PROD_OF_MYBANK)

    assert finished.returncode == 0, finished.stderr
    assert "account 123456789012  region eu-west-1  environment prod" in finished.stdout.splitlines()[0]
    assert "3 records acknowledged" in finished.stdout
    assert streamed(kinesis, "mybank-prod-transactions") == transactions(3)


@PRODUCE
def test_produce_refuses_another_account_than_expected_before_it_puts_anything(
    produce: tuple[str, ...], run: Run, endpoint: str, feed: Path
) -> None:
    script, *command = produce
    kinesis = make_stream(endpoint, "mybank-prod-transactions", "eu-west-1")

    settings = PROD_OF_MYBANK | {"EXPECTED_ACCOUNT_ID": "210987654321"}
    refused = run(*command, "--input", str(feed), script=script, **settings)

    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "error: account 123456789012: is not EXPECTED_ACCOUNT_ID (210987654321); nothing was changed. Name the right "
        "--profile, or correct EXPECTED_ACCOUNT_ID in .env."
    ]
    assert streamed(kinesis, "mybank-prod-transactions") == []


@PRODUCE
def test_produce_without_its_stream_is_one_line_that_says_how_to_make_it(
    produce: tuple[str, ...], run: Run, feed: Path
) -> None:
    script, *command = produce
    finished = run(*command, "--environment", "test", "--input", str(feed), script=script)
    assert finished.returncode == 1
    (line,) = [line for line in finished.stderr.splitlines() if line]
    assert "stream banking-data-test-transactions: Kinesis refused the records (ResourceNotFoundException)" in line
    assert "apply --only data_ingestion" in line


def test_a_line_that_is_no_record_is_named_and_the_lines_around_it_are_put(
    run: Run, endpoint: str, tmp_path: Path
) -> None:
    kinesis = make_stream(endpoint, "banking-data-dev-transactions")
    too_long = b'{"account_id": "B", "description": "' + b"x" * 1_100_000 + b'"}'
    lines = [b"\xef\xbb\xbf" + transactions(1)[0], too_long, *transactions(3)[1:]]
    (tmp_path / "feed.ndjson").write_bytes(b"\n".join(lines))

    finished = run("produce", "--input", str(tmp_path / "feed.ndjson"))

    assert finished.returncode == 1
    assert "3 records acknowledged" in finished.stdout
    assert "1 line is no record, and not on the stream:\n  line 2 is longer than Kinesis takes" in finished.stdout
    assert streamed(kinesis, "banking-data-dev-transactions") == transactions(3), "the mark is the file's"


def test_produce_goes_on_from_a_line_and_keeps_to_a_rate(run: Run, endpoint: str, feed: Path) -> None:
    kinesis = make_stream(endpoint, "banking-data-dev-transactions")
    finished = run("produce", "--input", str(feed), "--from-line", "2", "--rate", "1,000")
    assert finished.returncode == 0, finished.stderr
    assert streamed(kinesis, "banking-data-dev-transactions") == transactions(3)[1:]
    beyond = run("produce", "--input", str(feed), "--from-line", "4")
    assert beyond.returncode == 1
    assert "ends at line 3, before line 4. There is nothing left to put" in beyond.stderr


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (("produce", "--input"), {"records", "refusals", "next_line", "control_totals"}),
        (("status",), {"subject", "text", "well"}),
        (("verify",), {"account", "at", "summary", "controls", "elsewhere"}),
        (("reconcile",), {"balanced", "imbalances", "control_totals"}),
    ],
    ids=["produce", "status", "verify", "reconcile"],
)
def test_json_stands_alone_on_standard_output(
    command: tuple[str, ...], keys: set[str], run: Run, endpoint: str, feed: Path
) -> None:
    assert run("apply", "--only", "security,data_storage,data_ingestion").returncode == 0
    arguments = [*command, str(feed)] if command[-1] == "--input" else command

    finished = run(*arguments, "--json")

    document = json.loads(finished.stdout)
    assert keys <= (document[0] if isinstance(document, list) else document).keys()
    assert "account 123456789012" in finished.stderr


@pytest.mark.parametrize("command", ["plan", "apply", "destroy", "status", "verify", "reconcile", "produce --input x"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"EXPECTED_ACCOUNT_ID: 210987654321\n", ".env line 1 cannot be read. Write it as NAME=value."),
        ("# f\xfcr prod\nEXPECTED_ACCOUNT_ID=210987654321\n".encode("latin-1"), ".env is not UTF-8. Save it as UTF-8."),
        (b"EXPECTED_ACOUNT_ID=210987654321\n", ".env sets EXPECTED_ACOUNT_ID, which is no setting. Did you mean"),
    ],
    ids=["YAML", "latin-1", "misspelt"],
)
def test_an_env_file_that_guards_nothing_ends_a_command_before_aws_is_asked(
    content: bytes,
    told: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def asked(*arguments: Any) -> None:
        raise AssertionError("AWS was asked")

    (tmp_path / ".env").write_bytes(content)
    monkeypatch.setattr("infrastructure.settings_source.ENV_FILE", tmp_path / ".env")
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", asked)
    assert main(command.split()) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: settings: {told}")
    assert len(said.err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_verify_gates_a_job_and_leaves_a_report(environment: str, run: Run, endpoint: str, tmp_path: Path) -> None:
    nothing = run("verify", "-q", "--environment", environment)
    assert nothing.returncode == 1
    assert "does not exist" in nothing.stdout

    assert run("apply", "--environment", environment).returncode == 0
    report = tmp_path / "verify.html"
    verified = run("verify", "--environment", environment, "--report", str(report), "--json")
    found = json.loads(verified.stdout)
    # The emulator has neither a warehouse nor function URLs, and what is not known is never taken for good.
    assert (verified.returncode, found["summary"]["failed"]) == (2, 0)
    unknown = {each["id"] for each in found["controls"] if each["status"] == "not evaluated"}
    assert {id_ for id_ in unknown if not id_.startswith("warehouse-")} == {
        "function-url",
        "role-actions",
        "role-resources",
        "clear-numbers",
    }
    page = report.read_text(encoding="utf-8")
    assert "an emulator, not AWS" in page and found["at"] in page and "123456789012" in page

    client(endpoint, "s3").delete_public_access_block(
        Bucket=f"banking-data-{environment}-raw-123456789012-eu-central-1"
    )
    broken = run("verify", "--environment", environment)
    assert broken.returncode == 1
    assert "✗ 1.4.4         buckets block public access in all four ways: 5 of 6" in broken.stdout
    assert (
        f"S3::Bucket banking-data-{environment}-raw-123456789012-eu-central-1 BlockPublicAcls is off" in broken.stdout
    )
    assert "critical: apply mends it." in broken.stdout


def test_a_report_that_cannot_be_written_is_an_error_of_one_line(run: Run, tmp_path: Path) -> None:
    finished = run("verify", "-q", "--report", str(tmp_path / "missing" / "verify.html"))
    assert finished.returncode == 1
    assert "cannot be written" in finished.stderr and "Traceback" not in finished.stderr


@pytest.mark.slow
def test_quiet_tells_how_it_ended_and_no_more(run: Run, endpoint: str, feed: Path) -> None:
    planned = run("plan", "-q")
    assert planned.returncode == 2
    assert re.fullmatch(r"Plan: \d+ to create, 0 to change, 0 to remove\.", planned.stdout.strip())

    failed = run("apply", "-q", "--only", "data_ingestion")
    assert failed.returncode == 1
    assert "Apply security first" in failed.stdout + failed.stderr

    make_stream(endpoint, "banking-data-dev-transactions")
    produced = run("produce", "-q", "--input", str(feed))
    assert produced.stdout == "3 records acknowledged in 1 call, 0 put again\n"
    assert produced.stderr == ""


def test_a_usage_error_of_a_file_run_alone_ends_with_status_1_too(run: Run) -> None:
    finished = run("--environment", "staging", script="data_ingestion/create_kinesis_stream.py")
    assert finished.returncode == 1
    assert "invalid choice: 'staging'" in finished.stderr
