"""The Lambda function: reads a Kinesis batch, writes its quarantine, raw and control objects.

A thin shell around transaction_batch.py: environment, secret, three puts, one log line, metrics. A bad record is
quarantined and never retried. A fault that may pass (throttling, 5xx, a lost connection, an unreadable secret) gives
the whole batch back, from its first record on. The control object is written last: it is the batch's commit.

Environment: RAW_BUCKET, QUARANTINE_BUCKET, TOKENIZATION_SECRET_ID, STREAM_INCARNATION, METRICS_NAMESPACE (or
Powertools' own POWERTOOLS_METRICS_NAMESPACE), POWERTOOLS_SERVICE_NAME, LOG_LEVEL.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
)
from isal import igzip

from data_governance.tokenization import TokenKeys
from data_ingestion.transaction_batch import BatchResult, process_batch
from infrastructure.aws import clients
from infrastructure.errors import PlatformError, RetryableError
from infrastructure.function_runtime import forget, logger, metrics, required
from infrastructure.planning.aws_errors import is_retryable

Response = dict[str, list[dict[str, str]]]

SECRET_SECONDS = 300  # how long the secret is cached, and so how long a rotation may go unnoticed
_GZIP_LEVEL = 1


@dataclass(frozen=True, slots=True)
class _Environment:
    raw_bucket: str
    quarantine_bucket: str
    secret_id: str
    stream_incarnation: str
    service: str


_secret: tuple[float, TokenKeys] | None = None


def reset() -> None:
    """Forget environment, clients, secret and loggers, so that the next call reads them again (tests, local runs)."""
    global _secret
    _secret = None
    for kept in (_environment, _client):
        kept.cache_clear()
    forget()


def handler(event: dict[str, Any], context: Any) -> Response:
    """Land one batch. If all of it is to be retried, the answer names the batch's first sequence number.

    Raises PlatformError if retrying cannot help. The event source mapping keeps and retries the batch all the same, and
    the function's Errors metric shows the fault.
    """
    failure = ""
    try:
        return _land(event.get("Records") or [])
    except PlatformError:
        raise
    except Exception as error:
        failure = type(error).__name__
    # Raised outside the except block: the original's message or traceback may hold a record.
    raise PlatformError(
        "transaction batch", f"an unexpected {failure}", "This is a defect: report the batch's position"
    )


def _land(records: list[Any]) -> Response:
    try:
        keys = _token_keys()
        with _no_garbage_collection():
            result = process_batch(records, _environment().stream_incarnation, keys)
        written = _write(result)
    except RetryableError as fault:
        return _give_back(records, fault)
    _report(result, written)
    return {"batchItemFailures": []}


# Allocating and freeing 16 MiB once raises glibc's trim threshold, so later batches reuse their pages (10% faster).
_untouched = bytes(16 * 1024 * 1024)
del _untouched


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A batch makes no reference cycles; collections would scan its thousands of objects for a tenth of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _write(result: BatchResult) -> int:
    """Put quarantine, raw and control, in that order. Returns the bytes written."""
    environment = _environment()
    written = 0
    if result.quarantined:
        written += _put(environment.quarantine_bucket, result.quarantine_key, _compressed(result.quarantined))
    if result.landed:
        written += _put(environment.raw_bucket, result.raw_key, _compressed(result.landed))
    return written + _put(environment.raw_bucket, result.control_key, result.control)


def _compressed(ndjson: bytes) -> bytes:
    """gzip without a time in its header, so that the same rows are the same bytes."""
    compressed: bytes = igzip.compress(ndjson, _GZIP_LEVEL, mtime=0)
    return compressed


def _put(bucket: str, key: str, body: bytes) -> int:
    try:
        # A bucket with retention, as raw is, refuses objects without a checksum, and not every runtime's boto3 adds
        # one.
        _client("s3").put_object(Bucket=bucket, Key=key, Body=body, ChecksumAlgorithm="CRC32")
    except (BotoCoreError, ClientError) as error:
        fault = _fault(f"s3://{bucket}", error)
    else:
        return len(body)
    raise fault


def _token_keys() -> TokenKeys:
    """The tokenisation keys, read again after SECRET_SECONDS. Raises RetryableError if they cannot be read."""
    global _secret
    now = time.monotonic()
    if _secret is not None and now - _secret[0] < SECRET_SECONDS:
        return _secret[1]
    try:
        response = _client("secretsmanager").get_secret_value(SecretId=_environment().secret_id)
        keys = TokenKeys.from_secret(response.get("SecretString") or "")
    except (BotoCoreError, ClientError) as error:
        what = _code(error)
    except PlatformError as error:
        what = error.what
    else:
        _secret = (now, keys)
        return keys
    raise RetryableError("tokenisation secret", what, "The batch is tried again; see that the function may read it")


def _fault(where: str, error: BotoCoreError | ClientError) -> PlatformError:
    kind = RetryableError if is_retryable(error) else PlatformError
    return kind(where, _code(error), "See the function's role, the bucket and its key")


def _code(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__


def _give_back(records: list[Any], fault: RetryableError) -> Response:
    first = records[0]["kinesis"]["sequenceNumber"]
    _logger().warning("batch given back", extra={"where": fault.where, "fault": fault.what, "records": len(records)})
    counted = _metrics()
    counted.add_metric("BatchesGivenBack", MetricUnit.Count, 1)
    counted.flush_metrics()
    return {"batchItemFailures": [{"itemIdentifier": first}]}


def _report(result: BatchResult, written: int) -> None:
    latency = (datetime.now(UTC) - result.first_arrival).total_seconds() * 1000
    quarantined = result.records - result.landed_records
    counted = _metrics()
    for name, unit, value in (
        ("RecordsReceived", MetricUnit.Count, result.records),
        ("RecordsLanded", MetricUnit.Count, result.landed_records),
        ("RecordsQuarantined", MetricUnit.Count, quarantined),
        ("DuplicatesSeen", MetricUnit.Count, result.duplicates),
        ("UnknownFields", MetricUnit.Count, result.unknown_fields),
        ("BytesReceived", MetricUnit.Bytes, result.bytes_received),
        ("BytesWritten", MetricUnit.Bytes, written),
        ("LandingLatency", MetricUnit.Milliseconds, latency),
    ):
        counted.add_metric(name, unit, value)
    counted.flush_metrics()
    for reason, count in result.quarantined_by_reason.items():
        counted.add_metric("RecordsQuarantinedByReason", MetricUnit.Count, count)
        counted.add_dimension("reason", reason)
        counted.flush_metrics()
    _logger().info(
        "batch landed",
        extra={
            "control_key": result.control_key,
            "records": result.records,
            "landed": result.landed_records,
            "quarantined": quarantined,
            "quarantined_by_reason": result.quarantined_by_reason,
            "duplicates_seen": result.duplicates,
            "unknown_fields": result.unknown_fields,
            "bytes_received": result.bytes_received,
            "bytes_written": written,
            "landing_latency_ms": round(latency),
        },
    )


@cache
def _environment() -> _Environment:
    return _Environment(
        raw_bucket=required("RAW_BUCKET"),
        quarantine_bucket=required("QUARANTINE_BUCKET"),
        secret_id=required("TOKENIZATION_SECRET_ID"),
        stream_incarnation=required("STREAM_INCARNATION"),
        service=os.environ.get("POWERTOOLS_SERVICE_NAME") or "process-transaction",
    )


@cache
def _client(service: str) -> Any:
    return clients.client(service)


def _logger() -> Logger:
    return logger(_environment().service)


def _metrics() -> Metrics:
    return metrics(_environment().service)


if __name__ == "__main__":
    print(f"{__doc__}\nLambda calls handler(). To run it here, with all that is around it: banking-data local")
