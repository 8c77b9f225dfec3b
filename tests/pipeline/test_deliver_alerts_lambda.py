"""The function that posts alerts, between an emulated queue and a real HTTP server: nothing is lost, nothing leaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import time_machine
from standardwebhooks.webhooks import Webhook

from data_governance.webhook_signature import new_secret
from data_processing import deliver_alerts_lambda as function
from data_processing import webhook_delivery
from infrastructure.aws import clients
from infrastructure.local.emulator import emulated_aws
from tests.webhook_receiver import BODY, Receiver, receiver

ALERT = {"alert_id": "a" * 64, "rule": "large_amount", "raised_at": "2026-03-02T08:04:08Z", "evidence": ["tx-1"]}
NOWHERE = "http://127.0.0.1:9/secret-path"


class Delivery:
    """The queue with its dead-letter queue, the secret, and the function between them and a receiver."""

    def __init__(self, to: Receiver, clock: time_machine.Traveller) -> None:
        self.to = to
        self.clock = clock
        self.secret = new_secret()
        self.sqs, self._secrets = boto3.client("sqs"), boto3.client("secretsmanager")
        self._secrets.create_secret(Name="webhook", SecretString=self.secret)
        self.failures = self.sqs.create_queue(QueueName="failures")["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=self.failures, AttributeNames=["QueueArn"])
        redrive = {"deadLetterTargetArn": asked["Attributes"]["QueueArn"], "maxReceiveCount": function.ATTEMPTS}
        self.queue = self.sqs.create_queue(QueueName="alerts", Attributes={"RedrivePolicy": json.dumps(redrive)})[
            "QueueUrl"
        ]

    def tell(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def attempt(self) -> list[int]:
        """What Lambda does with the messages that are visible; for each its attempt's number, negative if it failed."""
        found = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        ).get("Messages", [])
        records = [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
            }
            for each in found
        ]
        failed = {each["itemIdentifier"] for each in function.handler({"Records": records}, None)["batchItemFailures"]}
        for each in found:
            if each["MessageId"] not in failed:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])
        counts = {each["MessageId"]: int(each["Attributes"]["ApproximateReceiveCount"]) for each in found}
        return [-count if id_ in failed else count for id_, count in counts.items()]

    def wait(self, seconds: float) -> None:
        self.clock.shift(timedelta(seconds=seconds, milliseconds=1))

    def verified(self, place: int = -1) -> Any:
        """What a receiver reads that verifies what it got."""
        _, headers, body = self.to.got[place]
        return Webhook(self.secret).verify(body, headers)


@pytest.fixture
def delivery(monkeypatch: pytest.MonkeyPatch) -> Iterator[Delivery]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(webhook_delivery, "CONNECT_SECONDS", 20)  # a loaded machine takes its time
    with receiver() as to, emulated_aws(), time_machine.travel(datetime.now(UTC), tick=False) as clock:
        clients.forget()
        opened = Delivery(to, clock)
        for name, value in (
            ("WEBHOOK_URL", to.url),
            ("WEBHOOK_SECRET_ID", "webhook"),
            ("WEBHOOK_QUEUE_URL", opened.queue),
            ("METRICS_NAMESPACE", "BankingDataPlatform/test"),
        ):
            monkeypatch.setenv(name, value)
        function.reset()
        yield opened
    function.reset()
    clients.forget()


def test_an_alert_is_posted_once_and_the_receiver_verifies_it(delivery: Delivery) -> None:
    delivery.tell(json.dumps(ALERT))
    assert delivery.attempt() == [1]
    delivery.wait(86_400)
    assert delivery.attempt() == []
    ((path, headers, _),) = delivery.to.got
    assert (path, headers["webhook-id"], headers["content-type"]) == (
        "/alerts?from=bank",
        ALERT["alert_id"],
        "application/json",
    )
    assert headers["webhook-timestamp"] != ALERT["raised_at"]
    delivery.wait(-86_400)
    assert delivery.verified() == {"type": "fraud_alert.raised", "timestamp": ALERT["raised_at"], "data": ALERT}


def test_what_fails_comes_again_after_growing_pauses_under_the_same_id(delivery: Delivery) -> None:
    delivery.to.answers = [500, 503]
    delivery.tell(json.dumps(ALERT))
    assert delivery.attempt() == [-1]
    assert delivery.verified()["data"] == ALERT
    assert delivery.attempt() == []
    delivery.wait(function.PAUSES_SECONDS[0])
    assert delivery.attempt() == [-2]
    assert delivery.verified()["data"] == ALERT, "each attempt is signed with its own time"
    delivery.wait(function.PAUSES_SECONDS[0])
    assert delivery.attempt() == [], "the second pause is longer"
    delivery.wait(function.PAUSES_SECONDS[1])
    assert delivery.attempt() == [3]
    assert {headers["webhook-id"] for _, headers, _ in delivery.to.got} == {ALERT["alert_id"]}
    assert list(function.PAUSES_SECONDS) == sorted(function.PAUSES_SECONDS)


@pytest.mark.parametrize(
    ("status", "pause"),
    [(301, 60), (307, 60), (400, 60), (401, 60), (410, 60), (408, 5), (425, 5), (429, 5), (500, 5), (503, 5)],
)
def test_no_redirect_is_followed_and_what_is_refused_is_told_soon(delivery: Delivery, status: int, pause: int) -> None:
    delivery.to.answers = [status] * 2
    delivery.tell(json.dumps(ALERT))
    assert delivery.attempt() == [-1]
    delivery.wait(pause - 1)
    assert delivery.attempt() == []
    delivery.wait(1)
    assert delivery.attempt() == [-2]
    assert [path for path, _, _ in delivery.to.got] == ["/alerts?from=bank"] * 2


def test_what_is_gone_for_good_lies_in_the_dead_letter_queue_after_the_last_attempt(delivery: Delivery) -> None:
    delivery.to.answers = [410] * 100
    delivery.tell(json.dumps(ALERT))
    for attempt in range(1, function.ATTEMPTS + 1):
        assert delivery.attempt() == [-attempt]
        delivery.wait(function.REFUSED_PAUSE_SECONDS + 1)
    assert delivery.attempt() == []
    assert len(delivery.to.got) == function.ATTEMPTS
    (message,) = delivery.sqs.receive_message(QueueUrl=delivery.failures)["Messages"]
    assert json.loads(message["Body"]) == ALERT


def test_of_several_messages_only_those_that_failed_come_again(delivery: Delivery) -> None:
    delivery.tell(json.dumps(ALERT))
    delivery.tell("no JSON")
    delivery.tell(json.dumps(ALERT | {"alert_id": "b" * 64}))
    assert sorted(delivery.attempt()) == [-1, 1, 1]
    assert {headers["webhook-id"][0] for _, headers, _ in delivery.to.got} == {"a", "b"}


def test_a_receiver_that_is_too_slow_or_not_there_is_tried_again(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.to.delay = 1.0
    monkeypatch.setattr(webhook_delivery, "READ_SECONDS", 0.1)
    delivery.tell(json.dumps(ALERT))
    assert delivery.attempt() == [-1]
    monkeypatch.setenv("WEBHOOK_URL", NOWHERE)
    delivery.wait(function.PAUSES_SECONDS[0])
    assert delivery.attempt() == [-2]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["fault"] for line in lines if "fault" in line] == ["TimeoutError", "ConnectionRefusedError"]


def test_neither_url_nor_secret_nor_answer_is_logged(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.to.answers = [204, 500, 307]
    for _ in range(3):
        delivery.tell(json.dumps(ALERT))
        delivery.attempt()
    monkeypatch.setenv("WEBHOOK_URL", NOWHERE)
    delivery.tell(json.dumps(ALERT))
    delivery.attempt()
    logged = capsys.readouterr().out
    assert "alert delivered" in logged and "alert not delivered" in logged
    for leak in (BODY.decode(), delivery.secret, "127.0.0.1", "secret-path", "from=bank"):
        assert leak not in logged


def test_a_new_secret_is_used_within_minutes_and_without_one_nothing_is_posted(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = boto3.client("secretsmanager")
    delivery.tell(json.dumps(ALERT))
    assert delivery.attempt() == [1]
    delivery.secret = new_secret()
    secrets.put_secret_value(SecretId="webhook", SecretString=delivery.secret)
    delivery.wait(301)
    delivery.tell(json.dumps(ALERT))
    assert delivery.attempt() == [1]
    assert delivery.verified()["data"] == ALERT
    secrets.put_secret_value(SecretId="webhook", SecretString="not-so")
    delivery.wait(301)
    delivery.tell(json.dumps(ALERT))
    assert delivery.attempt() == [-1]
    assert len(delivery.to.got) == 2
    assert "not-so" not in capsys.readouterr().out
