"""The function's shell: what it writes and in which order, what it gives back for a retry, what it logs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from data_governance.tokenization import TokenKeys
from data_ingestion import process_transaction_lambda as function
from infrastructure.aws import clients
from infrastructure.errors import PlatformError
from tests.unit.kinesis_events import EVERY_FIELD, FIRST_SEQUENCE, encoded, event_records, gunzipped, transaction

Event = dict[str, Any]
GOOD_AND_BAD = [transaction(), b"{", transaction(amount="1.001"), b"{"]
ENVIRONMENT = {
    "RAW_BUCKET": "raw-bucket",
    "QUARANTINE_BUCKET": "quarantine-bucket",
    "TOKENIZATION_SECRET_ID": "banking-data-dev/tokenization-key",
    "STREAM_INCARNATION": "20261123T125500Z",
    "METRICS_NAMESPACE": "BankingDataPlatform/test",
    "POWERTOOLS_SERVICE_NAME": "process-transaction",
    "LOG_LEVEL": "INFO",
}


class Account:
    """S3 and Secrets Manager of one account, in memory; faults are raised when they are due."""

    def __init__(self) -> None:
        self.puts: list[tuple[str, str, bytes]] = []
        self.secret = {"current": 1, "keys": {"1": base64.b64encode(bytes(range(32))).decode()}}
        self.secret_text = ""  # if set, returned instead of secret
        self.secret_reads = 0
        self.checksums: list[str] = []
        self.put_fault: Callable[[str, str], Exception | None] = lambda bucket, key: None
        self.secret_fault: Exception | None = None

    def client(self, service: str) -> Account:
        assert service in ("s3", "secretsmanager")
        return self

    def put_object(self, Bucket: str, Key: str, Body: bytes, ChecksumAlgorithm: str) -> None:
        fault = self.put_fault(Bucket, Key)
        if fault is not None:
            raise fault
        self.puts.append((Bucket, Key, Body))
        self.checksums.append(ChecksumAlgorithm)

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        assert SecretId == ENVIRONMENT["TOKENIZATION_SECRET_ID"]
        self.secret_reads += 1
        if self.secret_fault is not None:
            raise self.secret_fault
        return {"SecretString": self.secret_text or json.dumps(self.secret)}

    def body(self, prefix: str) -> bytes:
        (body,) = (body for _, key, body in self.puts if key.startswith(prefix))
        return gunzipped(body) if body[:2] == b"\x1f\x8b" else body


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    account = Account()
    monkeypatch.setattr(clients, "client", account.client)
    function.reset()
    yield account
    function.reset()


def event(*datas: bytes) -> Event:
    return {"Records": event_records(datas)}


def client_error(code: str, status: int = 400, operation: str = "PutObject") -> ClientError:
    """The error as botocore itself makes it from a response."""
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with Stubber(client) as stubber:
        stubber.add_client_error("put_object", code, "the message names bucket and key", status)
        try:
            client.put_object(Bucket="b", Key="k")
        except ClientError as error:
            return error
    raise AssertionError


def logged(text: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, text.splitlines()) if "message" in line]


def metrics(text: str) -> dict[str, Any]:
    """Metric name, with its reason if it has one -> value."""
    found: dict[str, Any] = {}
    for line in map(json.loads, text.splitlines()):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert directive["Namespace"] == ENVIRONMENT["METRICS_NAMESPACE"]
            for metric in directive["Metrics"]:
                name = metric["Name"] + (f"/{line['reason']}" if "reason" in line else "")
                (found[name],) = line[metric["Name"]]
    return found


def test_quarantine_is_written_first_then_raw_and_control_last(account: Account) -> None:
    assert function.handler(event(*GOOD_AND_BAD), None) == {"batchItemFailures": []}
    assert [(bucket, key.split("/arrival_date")[0]) for bucket, key, _ in account.puts] == [
        ("quarantine-bucket", "quarantine/stage=landing"),
        ("raw-bucket", "raw/transactions"),
        ("raw-bucket", "raw/control"),
    ]
    assert account.body("raw/transactions").count(b"\n") == 1
    assert account.body("quarantine").count(b"\n") == 3
    assert json.loads(account.body("raw/control"))["records"] == 4


def test_what_is_empty_is_not_written(account: Account) -> None:
    function.handler(event(transaction()), None)
    function.handler(event(b"{"), None)
    prefixes = [key.split("/arrival_date")[0] for _, key, _ in account.puts]
    assert prefixes == ["raw/transactions", "raw/control", "quarantine/stage=landing", "raw/control"]


def test_a_retry_puts_the_same_bytes_under_the_same_keys(account: Account) -> None:
    for _ in range(2):
        function.handler(event(*GOOD_AND_BAD), None)
    assert account.puts[:3] == account.puts[3:]


def test_objects_are_gzip_without_a_time(account: Account) -> None:
    function.handler(event(*GOOD_AND_BAD), None)
    for _, key, body in account.puts[:2]:
        assert key.endswith(".ndjson.gz")
        assert body[:2] == b"\x1f\x8b" and body[4:8] == bytes(4)


@pytest.mark.parametrize(
    "fault",
    [
        client_error("SlowDown", 503),
        client_error("InternalError", 500),
        client_error("ServiceUnavailable", 503),
        client_error("SomethingNew", 502),
        client_error("ThrottlingException", 400),
        client_error("KMS.ThrottlingException", 400),
        client_error("TooManyRequestsException", 429),
        client_error("RequestTimeout", 400),
        client_error("ExpiredToken", 400),
        EndpointConnectionError(endpoint_url="https://s3"),
        ReadTimeoutError(endpoint_url="https://s3"),
        NoCredentialsError(),
    ],
    ids=lambda fault: type(fault).__name__ if not isinstance(fault, ClientError) else fault.response["Error"]["Code"],
)
@pytest.mark.parametrize("failing", ["quarantine/", "raw/transactions/", "raw/control/"])
def test_a_fault_that_may_pass_gives_the_batch_back_from_its_first_record(
    account: Account, capsys: pytest.CaptureFixture[str], fault: Exception, failing: str
) -> None:
    account.put_fault = lambda bucket, key: fault if key.startswith(failing) else None
    response = function.handler(event(*GOOD_AND_BAD), None)
    assert response == {"batchItemFailures": [{"itemIdentifier": str(FIRST_SEQUENCE)}]}
    assert not any(key.startswith("raw/control") for _, key, _ in account.puts)
    printed = capsys.readouterr().out
    assert metrics(printed) == {"BatchesGivenBack": 1}
    (line,) = logged(printed)
    assert (line["level"], line["message"], line["records"]) == ("WARNING", "batch given back", 4)
    account.put_fault = lambda bucket, key: None
    assert function.handler(event(*GOOD_AND_BAD), None) == {"batchItemFailures": []}


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "KMS.DisabledException", "InvalidRequest"])
def test_a_fault_that_stays_is_an_error_of_the_function(account: Account, code: str) -> None:
    fault = client_error(code, 403)
    account.put_fault = lambda bucket, key: fault
    with pytest.raises(PlatformError, match=code) as caught:
        function.handler(event(transaction()), None)
    assert caught.value.__context__ is None


def test_a_request_that_boto3_refuses_is_an_error_of_the_function(account: Account) -> None:
    """As a bucket name of another form is; the error's own text may hold what was sent."""
    fault = ParamValidationError(report="4111111111111111")
    account.put_fault = lambda bucket, key: fault
    with pytest.raises(PlatformError, match="ParamValidationError") as caught:
        function.handler(event(transaction()), None)
    assert "4111" not in str(caught.value)
    assert caught.value.__context__ is None


def test_objects_carry_a_checksum_as_the_raw_buckets_retention_demands(account: Account) -> None:
    function.handler(event(*GOOD_AND_BAD), None)
    assert account.checksums == ["CRC32"] * 3


def test_a_secret_too_deep_to_be_read_gives_the_batch_back(account: Account) -> None:
    account.secret_text = "[" * 100_000
    assert function.handler(event(transaction()), None)["batchItemFailures"]
    assert account.puts == []


@pytest.mark.parametrize(
    "fault",
    [
        client_error("AccessDeniedException", 400, "GetSecretValue"),
        client_error("ResourceNotFoundException", 400, "GetSecretValue"),
        client_error("InternalServiceError", 500, "GetSecretValue"),
        EndpointConnectionError(endpoint_url="https://secretsmanager"),
    ],
    ids=lambda fault: type(fault).__name__ if not isinstance(fault, ClientError) else fault.response["Error"]["Code"],
)
def test_a_secret_that_cannot_be_read_gives_the_batch_back(account: Account, fault: Exception) -> None:
    account.secret_fault = fault
    assert function.handler(event(transaction()), None)["batchItemFailures"] == [
        {"itemIdentifier": str(FIRST_SEQUENCE)}
    ]
    assert account.puts == []
    account.secret_fault = None
    assert function.handler(event(transaction()), None) == {"batchItemFailures": []}


def test_a_secret_of_another_form_gives_the_batch_back_and_is_not_shown(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.secret = {"current": 1, "keys": {"1": "hunter2hunter2"}}
    assert function.handler(event(transaction()), None)["batchItemFailures"]
    captured = capsys.readouterr()
    assert "hunter2" not in captured.out + captured.err


def test_the_secret_is_read_once_and_again_after_its_time(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(function, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for _ in range(3):
        function.handler(event(transaction()), None)
    assert account.secret_reads == 1
    now[0] += function.SECRET_SECONDS
    function.handler(event(transaction()), None)
    assert account.secret_reads == 2


def test_a_rotation_is_noticed_and_both_versions_land(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(function, "time", SimpleNamespace(monotonic=lambda: now[0]))
    function.handler(event(encoded(EVERY_FIELD)), None)
    second = base64.b64encode(bytes(range(32, 64))).decode()
    account.secret = {"current": 2, "keys": account.secret["keys"] | {"2": second}}  # type: ignore[operator]
    now[0] += function.SECRET_SECONDS
    function.handler(event(encoded(EVERY_FIELD)), None)
    keys = TokenKeys.from_secret(json.dumps(account.secret))
    bodies = [gunzipped(body) for _, key, body in account.puts if key.startswith("raw/transactions")]
    tokens = [json.loads(body)["card_token"] for body in bodies]
    assert tokens == [keys.tokens([EVERY_FIELD["card_number"]], version)[0] for version in (1, 2)]


def test_one_line_and_the_metrics_tell_of_a_batch(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    datas = [*GOOD_AND_BAD, transaction(), transaction(extra=1)]
    function.handler(event(*datas), None)
    printed = capsys.readouterr().out
    found = metrics(printed)
    latency = found.pop("LandingLatency")
    assert latency > 0
    written = sum(len(body) for *_, body in account.puts)
    assert found == {
        "RecordsReceived": 6,
        "RecordsLanded": 3,
        "RecordsQuarantined": 3,
        "RecordsQuarantinedByReason/amount_scale": 1,
        "RecordsQuarantinedByReason/malformed_json": 2,
        "DuplicatesSeen": 2,
        "UnknownFields": 1,
        "BytesReceived": sum(map(len, datas)),
        "BytesWritten": written,
    }
    (line,) = logged(printed)
    assert line["service"] == "process-transaction"
    assert {name: line[name] for name in ("message", "records", "landed", "quarantined", "quarantined_by_reason")} == {
        "message": "batch landed",
        "records": 6,
        "landed": 3,
        "quarantined": 3,
        "quarantined_by_reason": {"amount_scale": 1, "malformed_json": 2},
    }
    assert line["control_key"] == account.puts[-1][1]


def test_it_prints_only_json_lines_and_nothing_on_standard_error(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    function.handler(event(*GOOD_AND_BAD), None)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert all(json.loads(line) for line in captured.out.splitlines())


@pytest.mark.parametrize("name", ["RAW_BUCKET", "QUARANTINE_BUCKET", "TOKENIZATION_SECRET_ID", "STREAM_INCARNATION"])
def test_a_variable_that_is_not_set_is_named(account: Account, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(PlatformError, match=f"{name} is not set"):
        function.handler(event(transaction()), None)


def test_powertools_own_name_for_the_namespace_does_too(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("METRICS_NAMESPACE")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", ENVIRONMENT["METRICS_NAMESPACE"])
    function.handler(event(*GOOD_AND_BAD), None)
    assert metrics(capsys.readouterr().out)["RecordsReceived"] == 4


@pytest.mark.parametrize("other", [{}, {"Records": []}, {"Records": [{"Sns": {"Message": "hello"}}]}])
def test_an_event_of_another_source_is_refused(account: Account, other: Event) -> None:
    with pytest.raises(PlatformError, match="no Kinesis records"):
        function.handler(other, None)
    assert account.puts == []


def test_reset_reads_the_environment_anew(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    function.handler(event(transaction()), None)
    monkeypatch.setenv("RAW_BUCKET", "another-bucket")
    function.handler(event(transaction()), None)
    assert account.puts[-1][0] == "raw-bucket"
    function.reset()
    function.handler(event(transaction()), None)
    assert account.puts[-1][0] == "another-bucket"
    assert account.secret_reads == 2
