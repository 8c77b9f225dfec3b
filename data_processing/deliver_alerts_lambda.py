"""The Lambda function that posts fraud alerts to a webhook, signed as Standard Webhooks asks.

The fraud topic sends each alert to its queue. Whatever is answered with 2xx is delivered. All else comes again: after
growing pauses, or, where the receiver refuses (a redirect, or a 4xx that no waiting mends), after a minute each, so
that somebody is told soon. What fails ATTEMPTS times ends in the dead-letter queue. A repeated alert has the same
webhook-id, its alert_id. Neither URL nor secret nor answer is logged.

Environment: WEBHOOK_URL, WEBHOOK_SECRET_ID, WEBHOOK_QUEUE_URL, METRICS_NAMESPACE (or Powertools' own
POWERTOOLS_METRICS_NAMESPACE), POWERTOOLS_SERVICE_NAME, LOG_LEVEL.
"""

from __future__ import annotations

import http.client
import json
import time
from functools import lru_cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from data_governance.webhook_signature import signed_headers
from data_processing.webhook_delivery import post
from infrastructure.aws import clients
from infrastructure.errors import PlatformError
from infrastructure.function_runtime import forget, logger, metrics, required
from infrastructure.planning.aws_errors import error_code

Response = dict[str, list[dict[str, str]]]
# After each failed attempt but the last: four hours in all.
PAUSES_SECONDS = (5, 30, 120, 600, 1800, 3600, 7200)
REFUSED_PAUSE_SECONDS = 60
ATTEMPTS = len(PAUSES_SECONDS) + 1  # of a message, before it goes to the dead-letter queue
_MENDED_BY_WAITING = frozenset({408, 425, 429})
_SECRET_SECONDS = 300  # how long a value is kept; a new one is used within that time
_TYPE = "fraud_alert.raised"
_SERVICE = "deliver-alerts"


class _NotDelivered(Exception):
    """fault: what is logged of it; refused: waiting will not mend it."""

    def __init__(self, fault: str, refused: bool = False) -> None:
        super().__init__(fault)
        self.fault = fault
        self.refused = refused


def reset() -> None:
    """Forget secret and loggers, so that the next call reads them again (tests, local runs)."""
    _secret.cache_clear()
    forget()


def handler(event: dict[str, Any], context: Any) -> Response:
    """Post the alerts of these messages. The answer names the messages that are to come again."""
    failed: list[dict[str, str]] = []
    for message in event.get("Records") or []:
        try:
            _deliver(message)
        except Exception as error:
            _comes_again(message, error)
            failed.append({"itemIdentifier": str(message["messageId"])})
    counted = metrics(_SERVICE)
    counted.add_metric("AlertsDelivered", MetricUnit.Count, len(event.get("Records") or []) - len(failed))
    counted.add_metric("DeliveriesFailed", MetricUnit.Count, len(failed))
    counted.flush_metrics()
    return {"batchItemFailures": failed}


def _deliver(message: dict[str, Any]) -> None:
    alert = json.loads(message["body"])
    now = time.time()
    told = {"type": _TYPE, "timestamp": alert["raised_at"], "data": alert}
    body = json.dumps(told, separators=(",", ":")).encode()
    headers = {
        "content-type": "application/json",
        "user-agent": "banking-data-platform",
        **signed_headers(_secret(int(now // _SECRET_SECONDS)), alert["alert_id"], int(now), body),
    }
    try:
        status = post(required("WEBHOOK_URL"), headers, body)
    except (OSError, http.client.HTTPException) as error:
        raise _NotDelivered(type(error).__name__) from None
    if not 200 <= status < 300:
        raise _NotDelivered(f"HTTP {status}", refused=300 <= status < 500 and status not in _MENDED_BY_WAITING)
    extra = {"alert_id": alert["alert_id"], "status": status, "milliseconds": round((time.time() - now) * 1000)}
    logger(_SERVICE).info("alert delivered", extra=extra)


def _comes_again(message: dict[str, Any], error: Exception) -> None:
    """Hide the message until its next attempt, or not at all if it goes to the dead-letter queue then."""
    attempt = int(message["attributes"]["ApproximateReceiveCount"])
    if attempt >= ATTEMPTS:
        pause = 0
    elif isinstance(error, _NotDelivered) and error.refused:
        pause = REFUSED_PAUSE_SECONDS
    else:
        pause = PAUSES_SECONDS[attempt - 1]
    # No traceback is logged: of a request that failed, it may quote the URL.
    fault = error.what if isinstance(error, PlatformError) else getattr(error, "fault", "") or error_code(error)
    logger(_SERVICE).error(
        "alert not delivered",
        extra={
            "message_id": message["messageId"],
            "attempt": attempt,
            "next_in_seconds": pause,
            "fault": fault or type(error).__name__,
        },
    )
    clients.client("sqs").change_message_visibility(
        QueueUrl=required("WEBHOOK_QUEUE_URL"), ReceiptHandle=message["receiptHandle"], VisibilityTimeout=pause
    )


@lru_cache(maxsize=1)
def _secret(period: int) -> str:
    """period: a number that changes when the value is to be read again."""
    found = clients.client("secretsmanager").get_secret_value(SecretId=required("WEBHOOK_SECRET_ID"))
    value: str = found["SecretString"]
    return value


if __name__ == "__main__":
    print(f"{__doc__}\nLambda calls handler(). To run it here, set FRAUD_WEBHOOK_URL: banking-data local")
