"""The Lambda function that raises fraud alerts seconds after a transaction has landed.

SQS tells it of each raw object. It applies the rules on one transaction and those with a window, notes each alert in
its table (fraud_table.py) and tells the fraud topic once. The job stays the authority: it raises the same alerts under
the same ids, and those that the stream has missed. A message that fails comes again and ends in the dead-letter queue;
the others of its batch are not touched.

Environment: RAW_BUCKET, FRAUD_TABLE, FRAUD_TOPIC_ARN, METRICS_NAMESPACE (or Powertools' own
POWERTOOLS_METRICS_NAMESPACE), POWERTOOLS_SERVICE_NAME, LOG_LEVEL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.metrics import MetricUnit

from data_catalog.lake_layout import RAW_TRANSACTIONS_PREFIX
from data_catalog.stream_alerts import StreamAlert
from data_processing.fraud_rule_file import shipped_rules
from data_processing.fraud_table import FraudTable
from data_processing.landed_transactions import read_object
from data_processing.stream_detection import detect
from infrastructure.aws import clients
from infrastructure.errors import PlatformError
from infrastructure.function_runtime import logger, metrics, required
from infrastructure.planning.aws_errors import error_code

Response = dict[str, list[dict[str, str]]]
_SERVICE = "detect-fraud"


def handler(event: dict[str, Any], context: Any) -> Response:
    """Look at the objects that these messages tell of. The answer names the messages that are to come again."""
    failed: list[dict[str, str]] = []
    for message in event.get("Records") or []:
        try:
            for key in _keys(json.loads(message["body"])):
                _look_at(key)
        except Exception as error:
            # Neither message nor traceback is logged: a fault in reading may quote a row.
            what = error.what if isinstance(error, PlatformError) else error_code(error) or type(error).__name__
            logger(_SERVICE).error("message failed", extra={"message_id": message.get("messageId"), "fault": what})
            failed.append({"itemIdentifier": str(message.get("messageId"))})
    metrics(_SERVICE).add_metric("MessagesFailed", MetricUnit.Count, len(failed))
    metrics(_SERVICE).flush_metrics()
    return {"batchItemFailures": failed}


def _keys(notification: dict[str, Any]) -> Iterator[str]:
    """The keys of the raw objects that a notification of S3 names; none in the one by which S3 tries the queue."""
    for record in notification.get("Records", []):
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        if bucket != required("RAW_BUCKET") or not key.startswith(RAW_TRANSACTIONS_PREFIX):
            raise PlatformError(
                "notification", "is of no raw object", "Let only the raw bucket tell the queue (its notification)"
            )
        yield key


def _look_at(key: str) -> None:
    began = datetime.now(UTC)
    body = clients.client("s3").get_object(Bucket=required("RAW_BUCKET"), Key=key)["Body"].read()
    landed = read_object(body)
    table = FraudTable(clients.client("dynamodb"), required("FRAUD_TABLE"))
    detected = detect(landed.transactions, shipped_rules(), table, began)
    told = _told(table, detected.alerts)
    ended = datetime.now(UTC)
    counted = metrics(_SERVICE)
    for name, count in (
        ("TransactionsExamined", len(landed.transactions)),
        ("RowsUnreadable", landed.unreadable),
        ("TransactionsNotRemembered", table.not_remembered),
        ("AlertsTold", len(told)),
    ):
        counted.add_metric(name, MetricUnit.Count, count)
    for alert in told:
        latency = (ended - alert.arrival_time).total_seconds() * 1000
        counted.add_metric("AlertLatency", MetricUnit.Milliseconds, latency)
    logger(_SERVICE).info(
        "object examined",
        extra={
            "key": key,
            "transactions": len(landed.transactions),
            "looked_at": detected.looked_at,
            "unreadable": landed.unreadable,
            "not_remembered": table.not_remembered,
            "alerts": len(detected.alerts),
            "told": [alert.alert_id for alert in told],
            "milliseconds": round((ended - began).total_seconds() * 1000),
        },
    )


def _told(table: FraudTable, alerts: Iterable[StreamAlert]) -> list[StreamAlert]:
    """Tell of the alerts that nobody has told yet; returns them.

    If this dies between the two, the message comes again, and the alert is told again under the same id.
    """
    told: list[StreamAlert] = []
    fault: Exception | None = None
    for alert in alerts:
        if not table.claim(alert):
            continue
        try:
            _publish(alert)
        except Exception as error:
            metrics(_SERVICE).add_metric("AlertsNotTold", MetricUnit.Count, 1)
            fault = error  # the others are told all the same
            continue
        table.told(alert)
        told.append(alert)
    if fault:
        raise fault
    return told


def _publish(alert: StreamAlert) -> None:
    attributes = {"rule": alert.rule, "severity": alert.severity}
    clients.client("sns").publish(
        TopicArn=required("FRAUD_TOPIC_ARN"),
        Subject=f"{alert.severity} fraud alert: {alert.rule}",
        Message=json.dumps(alert.as_json()),
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    )


if __name__ == "__main__":
    print(f"{__doc__}\nLambda calls handler(). To run it here, with all that is around it: banking-data local")
