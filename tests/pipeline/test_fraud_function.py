"""The fraud function's process on the laptop: it takes what the raw bucket tells; what fails ends where it should."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from data_governance.alert_comparison import alerts_in_table
from infrastructure.errors import PlatformError
from infrastructure.local.queue_function import queue_function
from infrastructure.local.stack import EmbeddedStack
from infrastructure.local.workdir import Workdir
from infrastructure.references import fraud_failures_queue_name, fraud_table_name
from infrastructure.settings import Settings
from tests.pipeline.etl_rows import line, row
from tests.unit.stream_memory import START
from tests.webhook_receiver import Receiver, receiver

PREFIX = "raw/transactions/arrival_date=2026-03-02/arrival_hour=09"


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


@pytest.fixture
def stack(tmp_path: Path, to: Receiver) -> Iterator[EmbeddedStack]:
    workdir = Workdir(str(tmp_path / "kept"))
    with EmbeddedStack(Settings(fraud_webhook_url=to.url), workdir) as opened:
        opened.provision("20260302T000000Z", only=("security", "data_storage", "data_ingestion", "data_processing"))
        opened.open_for_data()
        yield opened
    workdir.close()


def land(stack: EmbeddedStack, name: str, body: bytes) -> None:
    stack.client("s3").put_object(Bucket=stack.settings.bucket("raw"), Key=f"{PREFIX}/{name}.ndjson.gz", Body=body)


def raised(stack: EmbeddedStack) -> list[str]:
    stream = alerts_in_table(stack.client("dynamodb"), fraud_table_name(stack.settings))
    return [alert.rule for alert in stream(START.date())]


@pytest.mark.slow
def test_an_object_raises_its_alerts_and_a_bad_one_ends_in_the_dead_letter_queue(
    stack: EmbeddedStack, to: Receiver
) -> None:
    to.answers = [500]
    with stack.fraud_function() as running:
        assert running is not None
        land(stack, "bad", b"no gzip")
        land(stack, "good", gzip.compress(line(row(1, amount="20000.00")).encode()))
        running.finish()
    assert raised(stack) == ["large_amount"]
    ((_, headers, body),) = to.got
    secret = stack.workdir.secret("webhook")
    assert secret and Webhook(secret).verify(body, headers)["data"]["rule"] == "large_amount"
    assert "HTTP 500" in stack.workdir.webhook_log.read_text(), "the run does not wait for the next attempt"
    sqs = stack.client("sqs")
    url = sqs.get_queue_url(QueueName=fraud_failures_queue_name(stack.settings))["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert "bad.ndjson.gz" in message["Body"]

    kept = stack.workdir.fraud_items()
    assert kept, "the next run goes on from what the table held"
    with stack.fraud_function() as running:
        assert running is not None
        running.finish()
    assert sorted(map(str, stack.workdir.fraud_items())) == sorted(map(str, kept))


@pytest.mark.slow
def test_a_process_that_fails_ends_the_run_with_where_to_look(stack: EmbeddedStack, tmp_path: Path) -> None:
    log = tmp_path / "fraud.log"
    nowhere = "http://127.0.0.1:9/nowhere"
    with (
        queue_function("data_processing.detect_fraud_lambda", stack.job_environment, nowhere, log) as running,
        pytest.raises(PlatformError, match=r"has failed\. See the end of"),
    ):
        running.finish()
    assert "NonExistentQueue" in log.read_text()
