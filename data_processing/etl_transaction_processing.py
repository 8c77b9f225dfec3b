"""The Glue job: raw objects -> curated Parquet, fraud alerts and quarantine, each record exactly once.

Arguments (as Glue passes them; the job's defaults have the same names):
    --JOB_NAME --raw_bucket --curated_bucket --quarantine_bucket
    --glue_database            the catalog's database of the lake's tables
    --stream_retention_hours   optional: how long after its arrival a record may still land (168)
    --metrics_namespace        optional: where the job's metrics are put; once a day, ids that are final twice
    --timeout_minutes          optional: when Glue ends the job; its loads give up a little earlier (120)
    --staging_directory        optional, on a laptop: a local directory for scratch; without it, curated/staging/ in S3
    --deduplication_window_days  optional: how far around its event dates a batch is compared with what is curated
                               (45; 0 compares with everything)
    --fraud_rules_file         optional, on a laptop: a file of fraud rules; without it, the one in the job's package
    --region                   optional: the AWS region of all that is named here; boto3's own chain otherwise
    --redshift_workgroup or --redshift_cluster, --redshift_database --redshift_schema --redshift_copy_role_arn
                               optional: load the results at the end, as the database user of the job's IAM role

It first finishes a run that was left open, then makes one run of what is pending. Each stage prints a JSON line. After
any kill, starting it again completes the work (docs/etl.md).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession

from data_governance.run_result import RunResult
from data_processing.etl_run import Buckets, EtlRun, emit
from data_processing.fraud_rule_file import rules_in_use
from data_processing.fraud_rules import Rule
from data_processing.job_metrics import JobMetrics
from data_processing.known_ids import DEFAULT_WINDOW_DAYS
from data_processing.lake_catalog import LakeCatalog
from data_processing.planning import next_manifest
from data_processing.raw_zone import LandedBuckets
from data_processing.run_state import RunState
from data_processing.spark_session import configure
from infrastructure.aws.clients import client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from infrastructure.aws.redshift_data import DataApi, WarehouseTarget

# So long before Glue ends the job, a load that still runs is told. It goes on in the warehouse; the next job finds it.
_SECONDS_TO_TELL = 300
_REQUIRED = ("JOB_NAME", "raw_bucket", "curated_bucket", "quarantine_bucket", "glue_database")
_OPTIONAL = {
    "stream_retention_hours": "168",
    "deduplication_window_days": "45",
    "timeout_minutes": "120",
    "metrics_namespace": "",
    "staging_directory": "",
    "fraud_rules_file": "",
    "region": "",
    "redshift_workgroup": "",
    "redshift_cluster": "",
    "redshift_database": "",
    "redshift_schema": "",
    "redshift_copy_role_arn": "",
}


def arguments(argv: Sequence[str]) -> dict[str, str]:
    """The job's arguments. getResolvedOptions has no optional ones, so those that are present are looked for first."""
    given = [name for name in _OPTIONAL if any(one == f"--{name}" or one.startswith(f"--{name}=") for one in argv)]
    return _OPTIONAL | dict(getResolvedOptions(list(argv), [*_REQUIRED, *given]))


def main(argv: Sequence[str]) -> None:
    """Run the job."""
    started = time.monotonic()
    options = arguments(argv)
    spark, commit = _session(options)
    buckets = Buckets(options["raw_bucket"], options["curated_bucket"], options["quarantine_bucket"])
    region = options["region"] or None
    s3 = client("s3", region)
    results = process(
        spark,
        s3,
        buckets,
        LakeCatalog(client("glue", region), s3, options["glue_database"]),
        options["staging_directory"],
        int(options["stream_retention_hours"]),
        window_days=int(options["deduplication_window_days"]),
        rules=rules_in_use(options["fraud_rules_file"]),
    )
    metrics = JobMetrics(client("cloudwatch", region), options["metrics_namespace"])
    metrics.curated(results, datetime.now(UTC))
    if options["redshift_workgroup"] or options["redshift_cluster"]:
        give_up_at = started + int(options["timeout_minutes"]) * 60 - _SECONDS_TO_TELL
        target = replace(warehouse(options), give_up_at=give_up_at)
        _load(client("redshift-data", region), s3, target, buckets.curated)
        metrics.loaded(results, datetime.now(UTC))
        if options["metrics_namespace"]:
            _look_for_repeated_ids(
                client("redshift-data", region),
                s3,
                client("cloudwatch", region),
                target,
                buckets.curated,
                options["metrics_namespace"],
            )
    metrics.ended(time.monotonic() - started)
    commit()


def process(
    spark: SparkSession,
    s3: S3Client,
    buckets: Buckets,
    catalog: LakeCatalog,
    staging_directory: str | None,
    retention_hours: int = 168,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    window_days: int = DEFAULT_WINDOW_DAYS,
    rules: Sequence[Rule] | None = None,
) -> list[RunResult]:
    """Finish open runs, then make one of what is pending; returns the results of all of them."""
    state = RunState(s3, buckets.curated)
    catalog.tag_months(now())
    results = []
    for manifest in state.open_manifests(state.runs()):
        emit("manifest", run_id=manifest.run_id, objects=len(manifest.objects), bytes=manifest.size, resumed=True)
        results.append(EtlRun(spark, s3, buckets, catalog, manifest, staging_directory, window_days, rules).finish())
    landed = LandedBuckets(s3, buckets.raw, buckets.quarantine)
    pending = next_manifest(landed, state, timedelta(hours=retention_hours), now())
    if pending is None:
        emit("manifest", objects=0, note="nothing is pending")
        return results
    emit(
        "manifest", run_id=pending.run_id, objects=len(pending.objects), bytes=pending.size,
        earlier=len(pending.earlier), exhausted=pending.exhausted,
    )  # fmt: skip
    results.append(EtlRun(spark, s3, buckets, catalog, pending, staging_directory, window_days, rules).finish())
    return results


def _session(options: dict[str, str]) -> tuple[SparkSession, Any]:
    """The Spark session, and a function that ends the job. With a staging directory: a laptop, without Glue's jars."""
    if options["staging_directory"]:
        spark = configure(SparkSession.builder.appName(options["JOB_NAME"]).getOrCreate())
        return spark, spark.stop
    from awsglue.context import GlueContext
    from awsglue.job import Job
    from pyspark import SparkContext

    context = GlueContext(SparkContext.getOrCreate())
    job = Job(context)
    job.init(options["JOB_NAME"], options)
    return configure(context.spark_session), job.commit


def warehouse(options: Mapping[str, str]) -> WarehouseTarget:
    """The warehouse that the arguments name."""
    from infrastructure.aws.redshift_data import WarehouseTarget

    return WarehouseTarget(
        database=options["redshift_database"],
        schema=options["redshift_schema"],
        copy_role_arn=options["redshift_copy_role_arn"],
        workgroup=options["redshift_workgroup"] or None,
        cluster=options["redshift_cluster"] or None,
    )


def _load(data_api: Any, s3: S3Client, target: WarehouseTarget, curated_bucket: str) -> None:
    from data_storage.warehouse_loader import load_pending

    for loaded in load_pending(data_api, s3, target, curated_bucket):
        emit(
            "load", run_id=loaded.run_id, records=loaded.rows_loaded, pending=loaded.pending_loaded,
            fraud_alerts=loaded.fraud_alerts,
        )  # fmt: skip


def _look_for_repeated_ids(
    data_api: DataApi, s3: S3Client, cloudwatch: Any, target: WarehouseTarget, curated_bucket: str, namespace: str
) -> None:
    from data_storage.repeated_ids import look_for_repeated_ids

    found = look_for_repeated_ids(data_api, s3, cloudwatch, target, curated_bucket, namespace)
    if found is not None:
        emit("repeated_ids", ids=found)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)  # getResolvedOptions would list Glue's own options
    else:
        main(sys.argv)
