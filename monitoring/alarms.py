"""What is watched, as data: each alarm's metric and threshold, and what it means for the person on call.

Metrics are AWS's own, or those that data_ingestion/process_transaction_lambda.py puts. Periods are one minute if
trouble has to be acted on within minutes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from infrastructure.metrics import CONFLICTS_METRIC, DRIFT_METRIC, REPEATED_IDS_METRIC, TOTALS_OFF_METRIC
from infrastructure.references import (
    FOREIGN_STREAM_READS_METRIC,
    FOREIGN_TOKEN_KEY_READS_METRIC,
)
from infrastructure.settings import Settings
from monitoring.alarm_spec import DAY, FIVE_MINUTES, HOUR, MINUTE, AlarmSpec, CompositeSpec, Metric
from monitoring.fraud_alarms import fraud_alarms

# The job counts as late after this many intervals of its trigger without a successful run.
_LATE_INTERVALS = 4


def alarms(settings: Settings) -> tuple[AlarmSpec, ...]:
    """All alarms of an environment."""
    return (
        *_stream_alarms(settings),
        *_landing_alarms(settings),
        *fraud_alarms(settings),
        *_job_alarms(settings),
        *_audit_alarms(settings),
        AlarmSpec(
            name="stream-read-by-others",
            description="Somebody other than the landing function read the stream, which holds clear card numbers. "
            "Find the caller in the audit trail and treat it as an incident (PCI DSS 10.2.1.1, 12.10).",
            metrics={"reads": Metric(settings.metrics_namespace, FOREIGN_STREAM_READS_METRIC, {}, "Sum")},
            threshold=0,
        ),
        *_token_key_alarms(settings),
    )


def with_every_alarm(settings: Settings) -> Settings:
    """The settings under which there is every alarm."""
    return replace(
        settings,
        alarm_silence_minutes=settings.alarm_silence_minutes or 1,
        glue_every_minutes=settings.glue_every_minutes or 15,
        stream_alerts=True,
        fraud_webhook_url=settings.fraud_webhook_url or "https://localhost",
        trail_management_events=True,
    )


def composite_alarms(settings: Settings) -> tuple[CompositeSpec, ...]:
    """What somebody is woken for: records that may be lost, books that do not balance, card data in foreign hands."""
    there = {spec.name for spec in alarms(settings)}
    return tuple(
        CompositeSpec(name, description, children)
        for name, description, of in (
            (
                "page-landing",
                "Records do not land, and are lost once the stream's retention is over.",
                ("landing-stopped", "landing-silent", "iterator-age", "batches-given-up"),
            ),
            ("page-curation", "Lake and warehouse are no longer brought up to date.", ("job-late",)),
            ("page-totals", "Records are missing, or there twice.", ("balance-off", "repeated-ids")),
            (
                "page-fraud",
                "Fraud alerts do not reach whom they are for, or only with the job's next run.",
                ("fraud-alerts-not-told", "fraud-objects-waiting", "fraud-webhooks-given-up"),
            ),
            (
                "page-card-data",
                "Somebody may have seen card numbers, or the key that makes their tokens.",
                ("stream-read-by-others", "token-key-read-by-others"),
            ),
        )
        if (children := tuple(child for child in of if child in there))
    )


def _audit_alarms(settings: Settings) -> tuple[AlarmSpec, ...]:
    """Of what is looked for from outside, once a day: .github/workflows/watch.yml, or a scheduler of the bank's own."""

    def daily(name: str) -> dict[str, Metric]:
        return {"value": Metric(settings.metrics_namespace, name, {}, "Maximum", DAY)}

    return (
        AlarmSpec(
            name="balance-off",
            description="Control totals of two hops differ: records were lost, or are there twice. reconcile names the "
            "first hop that is off, with records and amount.",
            metrics=daily(TOTALS_OFF_METRIC),
            threshold=0,
            missing="ignore",
        ),
        AlarmSpec(
            name="drift-found",
            description="The account is not as the settings say: somebody changed it by hand, or the settings were "
            "changed and not applied. plan names each difference.",
            metrics=daily(DRIFT_METRIC),
            threshold=0,
            missing="ignore",
        ),
    )


def _token_key_alarms(settings: Settings) -> tuple[AlarmSpec, ...]:
    """None where another trail has the management events, among which the reads of secrets are: it would never rise."""
    if not settings.trail_management_events:
        return ()
    return (
        AlarmSpec(
            name="token-key-read-by-others",
            description="Somebody other than the landing function asked for the tokenisation keys. Find the caller in "
            "the audit trail. Unless it is your own rotation, take the key for leaked: rotate it, retire the former "
            "one at once, and see docs/security.md.",
            metrics={"reads": Metric(settings.metrics_namespace, FOREIGN_TOKEN_KEY_READS_METRIC, {}, "Sum")},
            threshold=0,
        ),
    )


def _stream_alarms(settings: Settings) -> tuple[AlarmSpec, ...]:
    def stream(name: str) -> dict[str, Metric]:
        return {"value": Metric("AWS/Kinesis", name, {"StreamName": settings.stream_name}, "Sum")}

    return (
        AlarmSpec(
            name="puts-failed",
            description="Producers' records fail at Kinesis itself. They try again; if it lasts, see AWS Health.",
            metrics=stream("PutRecords.FailedRecords"),
            threshold=0,
            periods=5,
            datapoints=3,
        ),
        AlarmSpec(
            name="puts-throttled",
            description="The stream is too small, or one account's records fill a shard: more shards, or look for "
            "the hot partition key.",
            metrics=stream("WriteProvisionedThroughputExceeded"),
            threshold=0,
            periods=5,
            datapoints=3,
        ),
        AlarmSpec(
            name="reads-throttled",
            description="Several readers share the stream's read throughput; the landing function should be alone.",
            metrics=stream("ReadProvisionedThroughputExceeded"),
            threshold=0,
            periods=5,
            datapoints=3,
        ),
    )


def _landing_alarms(settings: Settings) -> tuple[AlarmSpec, ...]:
    def function(name: str, statistic: Literal["Sum", "Maximum"]) -> dict[str, Metric]:
        return {"value": Metric("AWS/Lambda", name, {"FunctionName": settings.function_name}, statistic)}

    def own(name: str, period: int) -> Metric:
        dimensions = {"service": settings.function_name}
        return Metric(settings.metrics_namespace, name, dimensions, "Sum", period)

    silent = AlarmSpec(
        name="landing-silent",
        description="Nothing has landed for ALARM_SILENCE_MINUTES: the producers have stopped, or landing has.",
        metrics={"landed": own("RecordsLanded", settings.alarm_silence_minutes * MINUTE)},
        expression="FILL(landed, 0)",  # a silent function emits nothing
        threshold=1,
        comparison="LessThanThreshold",
        missing="breaching",
    )
    return (
        *((silent,) if settings.alarm_silence_minutes else ()),
        AlarmSpec(
            name="iterator-age",
            description="Transactions wait in the stream. See the function's errors and throttles; past the stream's "
            "retention records are lost.",
            metrics=function("IteratorAge", "Maximum"),
            threshold=settings.alarm_iterator_age_seconds * 1000,
            periods=3,
            datapoints=3,
        ),
        AlarmSpec(
            # A mapping that is disabled, removed or not allowed to read emits nothing: no age, no error. So the silence
            # itself is measured. The alarm lasts until a batch is taken, also where the producers have stopped.
            name="landing-stopped",
            description="Records arrive and none is taken: the event source mapping is disabled, gone, or cannot read "
            "the stream or call the function (`status` tells). Apply again; past the stream's retention records are "
            "lost.",
            metrics={
                "incoming": Metric(
                    "AWS/Kinesis", "IncomingRecords", {"StreamName": settings.stream_name}, "Sum", FIVE_MINUTES
                ),
                "invocations": Metric(
                    "AWS/Lambda", "Invocations", {"FunctionName": settings.function_name}, "Sum", FIVE_MINUTES
                ),
            },
            expression="IF(incoming > 0 AND FILL(invocations, 0) == 0, 1, 0)",
            threshold=0,
            periods=2,
            datapoints=2,
            missing="ignore",
        ),
        AlarmSpec(
            name="landing-errors",
            description="The landing function fails. Its batches are kept and tried again; its log names the fault.",
            metrics=function("Errors", "Sum"),
            threshold=0,
            periods=5,
            datapoints=2,
        ),
        AlarmSpec(
            name="landing-throttled",
            description="The landing function is refused concurrency: raise LAMBDA_RESERVED_CONCURRENCY or the "
            "account's quota.",
            metrics=function("Throttles", "Sum"),
            threshold=0,
            periods=5,
            datapoints=3,
        ),
        AlarmSpec(
            name="batches-given-back",
            description="S3, KMS or the secret cannot be reached: batches are tried again. If it lasts, see the "
            "function's role, the key and AWS Health.",
            metrics={"given_back": own("BatchesGivenBack", MINUTE)},
            expression="FILL(given_back, 0)",  # well means that nothing is emitted
            threshold=0,
            periods=15,
            datapoints=10,
        ),
        AlarmSpec(
            name="batches-given-up",
            description="A batch was given up after all attempts; its position lies in the on-failure queue. Land it "
            "from the stream before the retention ends.",
            metrics={
                "value": Metric(
                    "AWS/SQS",
                    "ApproximateNumberOfMessagesVisible",
                    {"QueueName": settings.on_failure_queue_name},
                    "Maximum",
                )
            },
            threshold=0,
        ),
        AlarmSpec(
            name="quarantine-rate",
            description="Too many records are quarantined: a producer broke the contract. RecordsQuarantinedByReason "
            "says how.",
            metrics={
                "quarantined": own("RecordsQuarantined", FIVE_MINUTES),
                "received": own("RecordsReceived", FIVE_MINUTES),
            },
            expression="IF(received > 0, 100 * quarantined / received, 0)",
            threshold=settings.alarm_quarantine_percent,
            periods=3,
            datapoints=2,
        ),
    )


def _job_alarms(settings: Settings) -> tuple[AlarmSpec, ...]:
    def runs(name: str, period: int) -> Metric:
        dimensions = {
            "JobName": settings.glue_job_name,
            "JobRunId": "ALL",
            "Type": "count",
            "ObservabilityGroup": "error",
        }
        return Metric("Glue", name, dimensions, "Sum", period)

    failed = AlarmSpec(
        name="job-failed",
        description="A run of the job failed, in curation or in the load of the warehouse. The next run takes it up "
        "where it stopped; if that fails too, its log names the fault.",
        metrics={"value": runs("glue.error.ALL", FIVE_MINUTES)},
        threshold=0,
    )
    conflicts = AlarmSpec(
        name="conflicts",
        description="A run of the job found records whose id is final already with other content: a producer reuses "
        "ids, or corrects in place. The first stays; quarantine has the others.",
        metrics={"value": Metric(settings.metrics_namespace, CONFLICTS_METRIC, {}, "Sum", FIVE_MINUTES)},
        threshold=0,
    )
    repeated = AlarmSpec(
        name="repeated-ids",
        description="A transaction id is final twice in the warehouse: both came further apart than the window of "
        "deduplication. See them with reconcile --ids, and move the later ones to quarantine with --repair.",
        metrics={"ids": Metric(settings.metrics_namespace, REPEATED_IDS_METRIC, {}, "Maximum", DAY)},
        threshold=0,
        missing="ignore",
    )
    if not settings.glue_every_minutes:
        return (failed, conflicts, repeated)
    # Without FILL an hour without a success is missing, and CloudWatch looks further back for real values before it
    # takes anything for missing: the alarm would come hours later.
    late = AlarmSpec(
        name="job-late",
        description="No run has succeeded for four of the job's intervals (an hour at least): neither lake nor "
        "warehouse is up to date.",
        metrics={"succeeded": runs("glue.succeed.ALL", HOUR)},
        expression="FILL(succeeded, 0)",
        threshold=1,
        comparison="LessThanThreshold",
        periods=max(1, _LATE_INTERVALS * settings.glue_every_minutes * MINUTE // HOUR),
        datapoints=max(1, _LATE_INTERVALS * settings.glue_every_minutes * MINUTE // HOUR),
        missing="breaching",
    )
    return (failed, late, conflicts, repeated)
