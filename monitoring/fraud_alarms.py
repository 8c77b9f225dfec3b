"""What is watched of the fraud stream and of the webhook, as data."""

from __future__ import annotations

from infrastructure.references import (
    fraud_failures_queue_name,
    fraud_function_name,
    fraud_queue_name,
    webhook_failures_queue_name,
)
from infrastructure.settings import Settings
from monitoring.alarm_spec import AlarmSpec, Metric

# SQS counts a message that fails until its third attempt, which is 18 minutes after the first: that is another alarm's.
_LONGEST_WAIT_SECONDS = 1200


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
    function, queue = fraud_function_name(settings), fraud_queue_name(settings)

    def own(name: str) -> Metric:
        return Metric(settings.metrics_namespace, name, {"service": function}, "Sum")

    return (
        AlarmSpec(
            name="fraud-errors",
            description="The fraud function fails: it runs out of time or gives objects back, which come again. See "
            "the fault in its log. The job raises the alerts with its next run.",
            metrics={
                "errors": Metric("AWS/Lambda", "Errors", {"FunctionName": function}, "Sum"),
                "failed": own("MessagesFailed"),
            },
            expression="FILL(errors, 0) + FILL(failed, 0)",
            threshold=0,
            periods=5,
            datapoints=2,
        ),
        AlarmSpec(
            name="fraud-objects-waiting",
            description="Landed objects wait for the fraud function: its mapping is disabled or gone, it is refused "
            "concurrency, or too slow. Alerts come with the job's next run only.",
            metrics={"value": Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": queue}, "Maximum")},
            threshold=_LONGEST_WAIT_SECONDS,
            periods=3,
            datapoints=3,
        ),
        AlarmSpec(
            name="fraud-alerts-not-told",
            description="The fraud topic has refused an alert: nobody has been told of it. It is tried again with its "
            "object, every six minutes, four times. See the topic, its key and the function's role.",
            metrics={"value": own("AlertsNotTold")},
            threshold=0,
        ),
        given_up,
        *_webhook_alarms(settings),
    )


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
