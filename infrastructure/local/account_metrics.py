"""The metrics that AWS's services would have put of what happens on the embedded stack.

Kinesis counts refused puts and reads (moto itself counts the puts that it takes), Lambda its invocations, SQS its
messages, Glue its runs, and metric filters events of the audit trail. Names, units and dimensions are those that AWS
documents. What the platform puts itself is not made here: it is read from the function's log and from the calls of
PutMetricData.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.sqs.models import sqs_backends

from infrastructure.local.metric_filters import matches
from infrastructure.references import trail_log_group
from infrastructure.settings import Settings
from monitoring.documented_metrics import documented_metrics
from monitoring.metric_data import MetricData, MetricId

_THROTTLED = "ProvisionedThroughputExceededException"


class AccountMetrics:
    """Puts AWS's own metrics into data, at the time at which something happens."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.data = MetricData()

    def put(self, namespace: str, name: str, dimensions: Mapping[str, str], value: float) -> None:
        unit = documented_metrics()[namespace, name].unit
        self.data.put(MetricId.of(namespace, name, dimensions), value, unit, datetime.now(UTC))

    def invoked(self, records: Sequence[Mapping[str, Any]], failed: bool) -> None:
        """Lambda invoked the function with records of the stream. failed: it raised or died."""
        arrived = records[-1]["ApproximateArrivalTimestamp"]
        age = max(0.0, (datetime.now(UTC) - arrived).total_seconds() * 1000)
        for name, value in {"Invocations": 1, "Errors": float(failed), "Throttles": 0, "IteratorAge": age}.items():
            self._lambda(name, value)

    def throttled(self) -> None:
        """Lambda was refused concurrency: no invocation is counted."""
        self._lambda("Throttles", 1)

    def queue(self, sqs: Any, name: str) -> None:
        """The depth of a queue; SQS puts it each minute."""
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        asked = "ApproximateNumberOfMessages"
        visible = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[asked])["Attributes"][asked]
        self.put("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": name}, float(visible))

    def took_message(self, function: str, failed: bool) -> None:
        """Lambda invoked a function with a message of a queue. failed: it raised or died."""
        for name, value in {"Invocations": 1, "Errors": float(failed)}.items():
            self.put("AWS/Lambda", name, {"FunctionName": function}, value)

    def oldest_in_queue(self, name: str) -> None:
        """How long the oldest message of a queue has been in it; SQS puts it each minute."""
        queue = sqs_backends[self._settings.account_id][self._settings.region].queues[name]
        now = datetime.now(UTC).timestamp()
        age = max((now - float(message.sent_timestamp or 0) / 1000 for message in queue._messages), default=0.0)
        self.put("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": name}, age)

    def run_ended(self, succeeded: bool) -> None:
        """A run of the Glue job ended. Glue puts one of two metrics, whichever it is."""
        dimensions = {
            "JobName": self._settings.glue_job_name,
            "JobRunId": "ALL",
            "Type": "count",
            "ObservabilityGroup": "error",
        }
        self.put("Glue", "glue.succeed.ALL" if succeeded else "glue.error.ALL", dimensions, 1)

    def audited(self, logs: Any, event: Mapping[str, Any]) -> None:
        """The trail recorded an event: the deployed metric filters of its log group count it."""
        found = logs.describe_metric_filters(logGroupName=trail_log_group(self._settings))["metricFilters"]
        for each in found:
            if matches(each["filterPattern"], event):
                for put in each["metricTransformations"]:
                    id_ = MetricId.of(put["metricNamespace"], put["metricName"], {})
                    self.data.put(id_, float(put["metricValue"]), "None", datetime.now(UTC))

    def producer(self, kinesis: Any) -> Any:
        """The stream's client of a producer: what it gets back is counted as Kinesis counts it."""
        return _CountedPuts(kinesis, self._stream)

    @contextmanager
    def reads(self, kinesis: Any) -> Iterator[None]:
        """Reads through this client are counted as Kinesis counts them."""

        def read(parsed: dict[str, Any], **_: Any) -> None:
            if "Records" in parsed:
                self._stream("GetRecords.Records", len(parsed["Records"]))
            elif parsed.get("Error", {}).get("Code") == _THROTTLED:
                self._stream("ReadProvisionedThroughputExceeded", 1)

        kinesis.meta.events.register("after-call.kinesis.GetRecords", read)
        try:
            yield
        finally:
            kinesis.meta.events.unregister("after-call.kinesis.GetRecords", read)

    def take_put_metrics(self) -> None:
        """Take over what was put since by PutMetricData, here or by the job, and by moto's Kinesis."""
        held = cloudwatch_backends[self._settings.account_id][self._settings.region].metric_data
        for datum in held:
            dimensions = {str(dimension.name): str(dimension.value) for dimension in datum.dimensions}
            if isinstance(datum, MetricDatum):
                id_, at = MetricId.of(datum.namespace, datum.name, dimensions), datum.timestamp
                self.data.put(id_, datum.value, datum.unit, at if at.tzinfo else at.replace(tzinfo=UTC))
        held.clear()

    def _lambda(self, name: str, value: float) -> None:
        self.put("AWS/Lambda", name, {"FunctionName": self._settings.function_name}, value)

    def _stream(self, name: str, value: float) -> None:
        self.put("AWS/Kinesis", name, {"StreamName": self._settings.stream_name}, value)


class _CountedPuts:
    def __init__(self, client: Any, count: Callable[[str, float], None]) -> None:
        self._client = client
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_records(self, **request: Any) -> Any:
        answer = self._client.put_records(**request)
        codes = [each.get("ErrorCode") for each in answer["Records"]]
        throttled = codes.count(_THROTTLED)
        self._count("WriteProvisionedThroughputExceeded", throttled)
        self._count("PutRecords.FailedRecords", len(codes) - codes.count(None) - throttled)
        return answer
