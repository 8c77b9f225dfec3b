"""The fraud function on an emulated account: each alert is told once, and what fails comes again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
from botocore.exceptions import ClientError

from data_catalog.stream_alerts import EXPIRES_AT, ITEM, SUBJECT, StreamAlert
from data_processing import detect_fraud_lambda as function
from data_processing import fraud_table
from data_processing.fraud_table import MOST_REMEMBERED, FraudTable
from data_processing.stream_detection import SubjectDay
from infrastructure.aws import clients
from infrastructure.function_runtime import forget
from infrastructure.local.emulator import emulated_aws
from tests.pipeline.etl_rows import line, row
from tests.unit.stream_memory import START, transaction

REGION = "us-east-1"
PREFIX = "raw/transactions/arrival_date=2026-03-02/arrival_hour=09"
CARD = {"transaction_type": "CARD_PURCHASE", "channel": "POS", "card_token": "1_t", "card_last4": "4242"}


class FraudAccount:
    """A raw bucket, the table, and the topic with a queue that hears what it tells."""

    def __init__(self) -> None:
        self.s3, self.dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        self.sqs, sns = boto3.client("sqs"), boto3.client("sns")
        self.s3.create_bucket(Bucket="raw-bucket")
        self.dynamodb.create_table(
            TableName="fraud",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in (SUBJECT, ITEM)],
            KeySchema=[{"AttributeName": SUBJECT, "KeyType": "HASH"}, {"AttributeName": ITEM, "KeyType": "RANGE"}],
        )
        self.topic = sns.create_topic(Name="fraud")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})

    def land(self, name: str, *rows: dict[str, Any]) -> str:
        key = f"{PREFIX}/{name}.ndjson.gz"
        body = gzip.compress("".join(f"{line(each)}\n" for each in rows).encode())
        self.s3.put_object(Bucket="raw-bucket", Key=key, Body=body)
        return key

    def heard(self) -> list[dict[str, Any]]:
        """What was told since the last call."""
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.dynamodb.scan(TableName="fraud")["Items"]
        return found


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[FraudAccount]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with emulated_aws():
        clients.forget()
        opened = FraudAccount()
        for name, value in (
            ("RAW_BUCKET", "raw-bucket"),
            ("FRAUD_TABLE", "fraud"),
            ("FRAUD_TOPIC_ARN", opened.topic),
            ("METRICS_NAMESPACE", "BankingDataPlatform/test"),
        ):
            monkeypatch.setenv(name, value)
        forget()
        yield opened
        forget()
        clients.forget()


def notice(key: str, bucket: str = "raw-bucket") -> dict[str, Any]:
    """A message as S3 puts it into the queue."""
    body = {"Records": [{"s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}}}]}
    return {"messageId": key, "body": json.dumps(body)}


def run(*messages: dict[str, Any]) -> list[str]:
    """Invoke the function; the ids of the messages that are to come again."""
    answer = function.handler({"Records": list(messages)}, None)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def uses(first: int, last: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        row(number, event_time=f"2026-03-02T08:0{number}:00Z", merchant_country="DE", **(CARD | fields))
        for number in range(first, last + 1)
    ]


def metrics(printed: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in printed.splitlines():
        line_ = json.loads(text)
        for directive in line_.get("_aws", {}).get("CloudWatchMetrics", ()):
            found |= {metric["Name"]: line_[metric["Name"]] for metric in directive["Metrics"]}
    return found


def test_two_objects_raise_one_alert_that_names_evidence_and_no_card_data(account: FraudAccount) -> None:
    assert run(notice(account.land("a", *uses(1, 3)))) == []
    assert account.heard() == []
    assert run(notice(account.land("b", *uses(4, 5)))) == []
    (told,) = account.heard()
    assert (told["rule"], told["subject_type"], told["subject"]) == ("rapid_card_use", "CARD", "1_t")
    assert told["evidence"] == [f"tx-{number:06}" for number in range(1, 6)]
    assert told["bucket_start"] == "2026-03-02T08:00:00Z"
    assert told["alert_id"] == StreamAlert.from_json(told).alert_id
    assert "4242" not in json.dumps(told)


def test_the_same_message_again_tells_nothing_again(account: FraudAccount) -> None:
    key = account.land("a", *uses(1, 5))
    assert run(notice(key), notice(key)) == run(notice(key)) == []
    assert len(account.heard()) == 1


def test_a_bad_object_fails_its_own_message_alone(account: FraudAccount, capsys: pytest.CaptureFixture[str]) -> None:
    bad = f"{PREFIX}/bad.ndjson.gz"
    account.s3.put_object(Bucket="raw-bucket", Key=bad, Body=b"no gzip")
    gone = f"{PREFIX}/gone.ndjson.gz"
    assert run(notice(bad), notice(account.land("a", *uses(1, 5))), notice(gone)) == [bad, gone]
    assert len(account.heard()) == 1
    assert metrics(capsys.readouterr().out)["MessagesFailed"] == [2.0]


def test_s3_tries_the_queue_with_a_message_of_no_object(account: FraudAccount) -> None:
    assert run({"messageId": "1", "body": json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})}) == []


@pytest.mark.parametrize("message", [notice("x", bucket="other"), notice("raw/control/x.json"), {"body": "{"}])
def test_a_message_of_anything_else_is_kept(account: FraudAccount, message: dict[str, Any]) -> None:
    assert len(run({"messageId": "m"} | message)) == 1


def test_an_unreadable_row_is_counted_and_the_rest_is_looked_at(
    account: FraudAccount, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(notice(account.land("a", *uses(1, 5), {"transaction_id": "x"}))) == []
    assert len(account.heard()) == 1
    printed = metrics(capsys.readouterr().out)
    assert (printed["RowsUnreadable"], printed["TransactionsExamined"]) == ([1.0], [5.0])


def test_what_the_topic_refused_is_told_when_the_message_comes_again(
    account: FraudAccount, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fraud_table, "CLAIM_SECONDS", -1)  # as if the message came again after the claim has ended
    message = notice(account.land("a", *uses(1, 5), row(9, amount="20000")))
    publish = clients.client("sns").publish
    refused = ClientError({"Error": {"Code": "Throttling"}}, "Publish")

    def refusing(**message: Any) -> None:
        if "large_amount" in message["Message"]:
            raise refused
        publish(**message)

    monkeypatch.setattr(clients.client("sns"), "publish", refusing)
    assert len(run(message)) == 1
    assert [each["rule"] for each in account.heard()] == ["rapid_card_use"], "the others are told all the same"
    assert metrics(capsys.readouterr().out)["AlertsNotTold"] == [1.0]
    monkeypatch.setattr(clients.client("sns"), "publish", publish)
    assert run(message) == []
    assert [each["rule"] for each in account.heard()] == ["large_amount"]


@pytest.mark.parametrize(("claimed_ago", "told"), [(0, 0), (fraud_table.CLAIM_SECONDS + 1, 1)])
def test_an_alert_that_another_invocation_tells_is_left_to_it_until_it_must_have_died(
    account: FraudAccount, claimed_ago: int, told: int
) -> None:
    alert = StreamAlert("rapid_card_use", "HIGH", "CARD", "1_t", START + timedelta(hours=8), "", (), START, START)
    then = datetime.now(UTC) - timedelta(seconds=claimed_ago)
    assert FraudTable(account.dynamodb, "fraud", lambda: then).claim(alert)
    assert run(notice(account.land("a", *uses(1, 5)))) == []
    assert len(account.heard()) == told


def test_the_log_names_no_value_of_a_row(account: FraudAccount, capsys: pytest.CaptureFixture[str]) -> None:
    run(notice(account.land("a", *uses(1, 5), row(9) | {"amount": "SECRET"}, row(8) | {"status": "SECRET"})))
    printed = capsys.readouterr().out
    assert "object examined" in printed
    assert "SECRET" not in printed and "4242" not in printed and "DE8937" not in printed


class TestMemory:
    DAY = SubjectDay("ACCOUNT", "A", START.date())

    def test_days_grow_by_union_and_are_read_back(self, account: FraudAccount) -> None:
        table, one, other = FraudTable(account.dynamodb, "fraud"), transaction(1), transaction(2, card_token="1_t")
        assert table.add({self.DAY: {one}}) == {self.DAY: {one}}
        assert table.add({self.DAY: {other, one}}) == {self.DAY: {one, other}}
        assert table.read([self.DAY, self.DAY.neighbour(1)]) == {self.DAY: {one, other}}

    def test_more_days_than_one_call_takes_are_read(self, account: FraudAccount) -> None:
        table = FraudTable(account.dynamodb, "fraud")
        days = {SubjectDay("CARD", f"1_{number}", START.date()): {transaction(number)} for number in range(120)}
        table.add(days)
        assert table.read(list(days)) == days

    def test_a_subject_beyond_the_cap_is_counted_and_what_came_before_stays(self, account: FraudAccount) -> None:
        table = FraudTable(account.dynamodb, "fraud")
        many = {transaction(number, START + timedelta(seconds=number)) for number in range(MOST_REMEMBERED + 5)}
        assert table.add({self.DAY: many}) == {self.DAY: many}
        assert table.not_remembered == 5
        more = transaction("more")
        assert table.add({self.DAY: {more}})[self.DAY] >= {more, transaction(0)}
        assert len(table.read([self.DAY])[self.DAY]) == MOST_REMEMBERED
        assert table.not_remembered == 6

    def test_it_forgets_some_days_after_the_event_and_the_arrival(self, account: FraudAccount) -> None:
        now = datetime(2026, 3, 20, tzinfo=UTC)
        FraudTable(account.dynamodb, "fraud", lambda: now).add({self.DAY: {transaction(1)}})
        (item,) = account.items()
        assert int(item[EXPIRES_AT]["N"]) == int((now + timedelta(days=fraud_table.MEMORY_DAYS)).timestamp())
