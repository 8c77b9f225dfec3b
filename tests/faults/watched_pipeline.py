"""The embedded stack on a clock of its own, with all alarms looking on, minute by minute.

Producer, stream, event source mapping, function, buckets, queue and metric filters are the embedded stack's. Only the
clock is simulated: function, emulator and metrics all read it. Between faults the job's runs are not carried out: each
quarter of an hour counts as a run that succeeded, so that a job that is late is a fault and not the normal state.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
import time_machine

from data_ingestion import process_transaction_lambda
from data_ingestion.transaction_input import Line
from data_ingestion.transaction_producer import produce
from data_processing import detect_fraud_lambda
from infrastructure.errors import PlatformError
from infrastructure.function_runtime import forget
from infrastructure.local.account_metrics import AccountMetrics
from infrastructure.local.glue_job import run_glue_job
from infrastructure.local.java import find_java
from infrastructure.local.pipeline import function_runtime
from infrastructure.local.stack import EmbeddedStack
from infrastructure.local.warehouse import embedded_settings
from infrastructure.local.workdir import Workdir
from infrastructure.references import (
    fraud_failures_queue_name,
    fraud_function_name,
    fraud_queue_name,
    webhook_failures_queue_name,
)
from infrastructure.settings import Settings
from monitoring.alarm_evaluation import State, Watch
from monitoring.alarms import alarms, composite_alarms
from scripts.orchestrate_pipeline import main
from tests.unit.kinesis_events import transaction

MINUTE = timedelta(minutes=1)
RECORDS_A_MINUTE = 2
_JOB_MINUTES = 15
_LONGEST_SECONDS = 60  # of an attempt, on a loaded machine
RECORD_AGE_MINUTES = 30  # so that a batch is given up within a test's time


def watched_settings() -> Settings:
    """The embedded stack's, but a batch is one record, and is given up after half an hour."""
    return replace(
        embedded_settings(),
        batch_size=1,  # so that a batch that fails is the same one when it is tried again
        batch_window_seconds=0,
        maximum_record_age_seconds=RECORD_AGE_MINUTES * 60,
        alarm_silence_minutes=20,
        fraud_webhook_url="https://127.0.0.1:9/",  # nobody listens there
    )


@dataclass(slots=True)
class _Attempts:
    """Passes on what Lambda counts, and tells when an attempt is over."""

    metrics: AccountMetrics
    over: threading.Event = field(default_factory=threading.Event)

    def invoked(self, records: list[Any], failed: bool) -> None:
        self.metrics.invoked(records, failed)
        self.over.set()

    def throttled(self) -> None:
        self.metrics.throttled()
        self.over.set()


class WatchedPipeline:
    """lands: whether what is put is expected to land, else one attempt a minute is waited for; works: the same of the
    job, which then succeeds each quarter of an hour; detects: whether the fraud function takes its messages, and
    whether it really looks at the objects."""

    def __init__(self, stack: EmbeddedStack, clock: time_machine.Traveller) -> None:
        self.stack = stack
        self.settings = stack.settings
        self.metrics = AccountMetrics(stack.settings)
        self.watch = Watch(alarms(stack.settings), self.metrics.data, composite_alarms(stack.settings))
        self.lands = True
        self.works = True
        self.detects: Literal["counted", "really", "not"] = "counted"
        self.records = RECORDS_A_MINUTE
        self.amount = ""  # of the transactions; empty: one that raises no alert
        self.broken_lines = 0  # of those that are put each minute
        self._clock = clock
        self._now = datetime.now(UTC).replace(second=0, microsecond=0)
        self._minutes = 0
        self._made = 0
        self._read = 0

    def client(self, service: str) -> Any:
        return self.stack.client(service)

    def minute(self) -> dict[str, State]:
        """A minute goes by; the states of the alarms at its end."""
        if self.works and self._minutes % _JOB_MINUTES == 0:
            self.metrics.run_ended(succeeded=True)
        self._put(self.records)
        self._land()
        settings = self.settings
        self._detect()
        self.metrics.oldest_in_queue(fraud_queue_name(settings))
        for queue in (
            settings.on_failure_queue_name,
            fraud_failures_queue_name(settings),
            webhook_failures_queue_name(settings),
        ):
            self.metrics.queue(self.client("sqs"), queue)
        with self.stack.workdir.function_log.open() as log:
            log.seek(self._read)
            self.metrics.data.put_embedded(log)
            self._read = log.tell()
        self.metrics.take_put_metrics()
        self._move(MINUTE)
        return self.watch.look(self._now)

    @contextlib.contextmanager
    def ticking(self) -> Iterator[None]:
        """The clock goes on by itself, for what waits until a moment has passed."""
        over = threading.Event()

        def tick() -> None:
            while not over.wait(0.02):
                self._clock.shift(timedelta(milliseconds=1))

        thread = threading.Thread(target=tick)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @property
    def minutes(self) -> int:
        """How many have passed."""
        return self._minutes

    def run_job(self, **changed: str) -> None:
        """Really run the Glue job, with some of its arguments changed."""
        staging = self.stack.workdir.path / "staging"
        arguments = self.stack.job_arguments | changed
        try:
            run_glue_job(arguments, self.stack.job_environment, find_java(), staging)
        except PlatformError:
            self.metrics.run_ended(succeeded=False)
        else:
            self.metrics.run_ended(succeeded=True)

    def pass_time(self, span: timedelta) -> None:
        """Time in which nothing is counted."""
        self._move(span)

    def _detect(self) -> None:
        """What Lambda does with the fraud queue's messages; what fails comes again six minutes later, as in AWS."""
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=fraud_queue_name(self.settings))["QueueUrl"]
        if self.detects == "counted":
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                for each in messages:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        if self.detects != "really":
            return
        function = fraud_function_name(self.settings)
        with function_runtime(self.stack), pytest.MonkeyPatch.context() as patch:
            for name, value in self.stack.function_environment(function).items():
                patch.setenv(name, value)
            forget()
            while messages := sqs.receive_message(QueueUrl=url).get("Messages"):
                event = {"messageId": messages[0]["MessageId"], "body": messages[0]["Body"]}
                failed = detect_fraud_lambda.handler({"Records": [event]}, None)["batchItemFailures"]
                self.metrics.took_message(function, failed=False)  # it did not raise
                if not failed:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
            forget()

    def _move(self, span: timedelta) -> None:
        self._now += span
        self._minutes += 1
        self._clock.move_to(self._now)

    def command(self, *arguments: str, status: int) -> None:
        """A command of the platform on this account, which has no warehouse; it must end so."""
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
            patch.setenv("REDSHIFT_ENABLED", "false")
            patch.setenv("FRAUD_WEBHOOK_URL", self.settings.fraud_webhook_url)
            patch.setenv("ALARM_SILENCE_MINUTES", str(self.settings.alarm_silence_minutes))
            ended = main([*arguments, "--region", self.settings.region])
        assert ended == status, said.getvalue()

    def put_conflict(self) -> None:
        """Two booked records of one id with other amounts."""
        line = self._line()
        other = line.replace(b"67.54", b"12.34")
        assert other != line
        produce([Line(1, line), Line(2, other)], self.client("kinesis"), self.settings.stream_name)

    def _line(self) -> bytes:
        """A transaction that lands, of an id of its own."""
        self._made += 1
        changed = {"amount": self.amount} if self.amount else {}
        at = self._now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return transaction(transaction_id=f"{self._made:026d}", event_time=at, **changed)

    def _put(self, records: int) -> None:
        lines = [self._line() for _ in range(records)]
        broken = [line.replace(b'"amount"', b'"amuont"') for line in lines[: self.broken_lines]]
        sent = [Line(number, line) for number, line in enumerate([*broken, *lines[self.broken_lines :]], 1)]
        counted = self.metrics.producer(self.client("kinesis"))
        produce(sent, counted, self.settings.stream_name, pause=lambda seconds: None)

    def _land(self) -> None:
        attempts = _Attempts(self.metrics)
        mapping = self.stack.event_source_mapping(
            process_transaction_lambda.handler, lambda delivered: None, observer=attempts
        )
        with function_runtime(self.stack), self.metrics.reads(self.client("kinesis")):
            mapping.start()
            if self.lands:
                mapping.finish()
            else:
                assert attempts.over.wait(_LONGEST_SECONDS), "nothing was attempted"
                mapping.abandon()


@contextlib.contextmanager
def watched_pipeline(directory: Path) -> Iterator[WatchedPipeline]:
    """A provisioned stack that is well, half a day ago, so that a process with the real clock finds its objects old."""
    began = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=12)
    with contextlib.ExitStack() as exits:
        workdir = Workdir(str(directory))
        exits.callback(workdir.close)
        clock = exits.enter_context(time_machine.travel(began, tick=False))
        stack = exits.enter_context(EmbeddedStack(watched_settings(), workdir))
        stack.provision(workdir.begin_incarnation().id)
        stack.open_for_data()
        stack.provision_tables()
        yield WatchedPipeline(stack, clock)
