"""What is watched of the fraud stream and of the webhook, as data."""

from __future__ import annotations

from infrastructure.references import fraud_failures_queue_name, webhook_failures_queue_name
from infrastructure.settings import Settings
from monitoring.alarm_spec import AlarmSpec, Metric


def fraud_alarms(settings: Settings) -> tuple[AlarmSpec, ...]:
    """None where alerts are left to the job."""
    if not settings.stream_alerts:
        return ()
    given_up = AlarmSpec(
        name="fraud-objects-given-up",
        description="The fraud function failed five times on a landed object: it cannot read the object, or use "
        "its table or topic. Its log names the fault; mend it and send the messages again. The job raises "
        "the alerts with its next run.",
        metrics={"value": _left_in(fraud_failures_queue_name(settings))},
        threshold=0,
    )
    return (given_up, *_webhook_alarms(settings))


def _webhook_alarms(settings: Settings) -> tuple[AlarmSpec, ...]:
    """None without a webhook."""
    if not settings.delivers_alerts:
        return ()
    return (
        AlarmSpec(
            name="fraud-webhooks-given-up",
            description="No attempt to deliver a fraud alert to the webhook succeeded: the receiver refused it, or was "
            "out of reach for four hours. The function's log names the answers; mend it and send the messages again.",
            metrics={"value": _left_in(webhook_failures_queue_name(settings))},
            threshold=0,
        ),
    )


def _left_in(queue: str) -> Metric:
    return Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}, "Maximum")
