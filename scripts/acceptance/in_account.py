"""The acceptance run in an account: an environment of its own, from apply to destroy."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from data_catalog.lake_tables import LAKE_TABLES
from data_governance.lake_measures import Lake
from data_governance.reconciliation import Measured
from data_ingestion.transaction_generator import generate
from data_ingestion.transaction_input import Line
from data_ingestion.transaction_producer import produce
from data_storage.warehouse_loader import loaded_totals
from infrastructure.aws.clients import AwsClients
from infrastructure.aws.iceberg import tables_of
from infrastructure.aws.redshift import WarehouseSchema
from infrastructure.aws.redshift_data import WarehouseTarget, execute, execute_batch, query
from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.waiting import wait_until
from infrastructure.provisioning import gather
from infrastructure.references import GLUE_LOG_GROUPS, fraud_topic_name, webhook_queue_name
from infrastructure.settings import Settings
from monitoring.alarm_spec import Metric
from monitoring.alarms import alarms
from monitoring.setup_cloudwatch_alarms import topic_arn
from scripts.acceptance import flow
from scripts.acceptance.provisioning_proofs import Provisioning
from scripts.acceptance.verdicts import Disproven, Prover

TRANSACTIONS = 2_000
_LANDING_SECONDS = 900
_JOB_SECONDS = 3600
_DELIVERY_SECONDS = 1200  # CloudTrail delivers within a quarter of an hour
_QUERY_SECONDS = 300
_ANALYST = "acceptance_analyst"


def prove_in_account(settings: Settings, clients: AwsClients, prover: Prover) -> list[str]:
    """Prove every claim; returns what has to stay, and until when. The environment is removed whatever fails."""
    environment = Provisioning(settings, clients, prover, None)
    try:
        if environment.prove_what_stands():
            _prove_flow(settings, clients, prover)
            _prove_governance(settings, clients, prover)
    finally:
        stays = environment.prove_destroy()
    return stays


def _prove_flow(settings: Settings, clients: AwsClients, prover: Prover) -> None:
    run = Flow(settings, clients)
    if not prover.prove("landing", run.lands):
        return
    prover.prove("functions-metrics", lambda: metrics_are_emitted(settings, clients))
    if not prover.prove("job-curates", run.job_curates):
        return
    prover.prove("job-logs-are-kept-as-set", lambda: job_logs_are_kept(settings, clients))
    prover.prove("athena-reads-the-catalog", lambda: athena_reads(settings, clients))
    if prover.prove("copy-loads-zstd", run.loads):
        prover.prove("reconciled", lambda: flow.reconciled(run.measured()))
        prover.prove("analyst-sees-masks", run.analyst_sees_masks)
        prover.prove("lake-schema-in-redshift", run.redshift_reads_the_lake)


def _prove_governance(settings: Settings, clients: AwsClients, prover: Prover) -> None:
    prover.prove("roles-are-denied", lambda: roles_are_denied(settings, clients))
    prover.prove("bucket-refuses-other-encryption", lambda: bucket_refuses(settings, clients))
    prover.prove("alarms-reach-the-topic", lambda: alarm_reaches_topic(settings, clients))
    prover.prove("trail-delivers", lambda: trail_delivers(settings, clients))


@dataclass(slots=True)
class Flow:
    """The generated transactions on their way. They are counted beside what an earlier run has left in the lake."""

    settings: Settings
    clients: AwsClients

    def measured(self) -> Measured:
        """The lake and the warehouse as they are; the producer's totals are not kept in an account."""
        measured = self._lake().measure().measured
        measured.loaded = loaded_totals(self.clients("redshift-data"), self._admin())
        return measured

    def lands(self) -> str:
        lake = self._lake()
        before = lake.measure().measured.streamed.records
        seed = uuid.uuid4().int % 2**31  # other ids than an earlier run's, which would be duplicates
        report = produce(_lines(seed), self.clients("kinesis"), self.settings.stream_name)
        wanted = before + report.records

        def arrived() -> bool:
            return lake.measure().measured.streamed.records >= wanted

        wait_until(arrived, f"{report.records:,} records", _LANDING_SECONDS)
        return flow.landed(lake.measure().measured, wanted)

    def job_curates(self) -> str:
        run = self._job_run()
        return f"run {run['Id']} on Glue {run.get('GlueVersion')}; {flow.curated(self._lake().measure().measured)}"

    def _lake(self) -> Lake:
        s3 = self.clients("s3")
        return Lake(s3, self.settings, tables_of(self.clients("glue"), s3, self.settings.glue_database))

    def _job_run(self) -> dict[str, Any]:
        glue, name = self.clients("glue"), self.settings.glue_job_name
        id_ = glue.start_job_run(JobName=name)["JobRunId"]
        run: dict[str, Any] = {}

        def ended() -> bool:
            run.update(glue.get_job_run(JobName=name, RunId=id_)["JobRun"])
            return run["JobRunState"] in ("SUCCEEDED", "FAILED", "ERROR", "TIMEOUT", "STOPPED")

        wait_until(ended, f"job run {id_}", _JOB_SECONDS)
        if run["JobRunState"] != "SUCCEEDED":
            raise Disproven(f"job run {id_} is {run['JobRunState']}: {run.get('ErrorMessage', 'no message')}")
        return run

    def loads(self) -> str:
        return flow.loaded(self.measured())

    def analyst_sees_masks(self) -> str:
        data_api, admin = self.clients("redshift-data"), self._admin()
        if not query(data_api, admin, f"SELECT 1 FROM pg_user WHERE usename = '{_ANALYST}'"):
            execute(data_api, admin, f"CREATE USER {_ANALYST} PASSWORD DISABLE")
        execute(data_api, admin, f"GRANT ROLE analyst TO {_ANALYST}")
        table = f"{self.settings.warehouse_schema}.fact_transactions"
        statements = [
            f"SET SESSION AUTHORIZATION {_ANALYST}",
            f"SELECT DISTINCT card_last4 FROM {table} WHERE card_last4 IS NOT NULL",
            "RESET SESSION AUTHORIZATION",
        ]
        batch = execute_batch(data_api, admin, statements, "acceptance-masks", uuid.uuid4().hex)
        rows = data_api.get_statement_result(Id=batch["SubStatements"][1]["Id"])["Records"]
        return flow.masked([field["stringValue"] for (field,) in rows])

    def redshift_reads_the_lake(self) -> str:
        schema = f"{self.settings.warehouse_schema}_lake"
        data_api, admin = self.clients("redshift-data"), self._admin()
        rows = query(data_api, admin, f"SELECT tablename FROM svv_external_tables WHERE schemaname = '{schema}'")
        # The tables over raw are seen too; the warehouse's role may not read their objects.
        seen, wanted = {str(table) for (table,) in rows}, {table.name for table in LAKE_TABLES}
        if wanted - seen:
            raise Disproven(f"the external schema {schema} lacks {', '.join(sorted(wanted - seen))}")
        counted = {}
        for table in sorted(wanted):
            ((count,),) = query(data_api, admin, f"SELECT count(*) FROM {schema}.{table}")
            counted[table] = count
        return ", ".join(f"{table}: {count}" for table, count in counted.items())

    def _admin(self) -> WarehouseTarget:
        schema = next(each for each in gather(self.settings, self.clients) if isinstance(each, WarehouseSchema))
        location = schema.location()
        if location is None:
            raise Disproven("there is no warehouse")
        return location.admin


def _lines(seed: int) -> Iterator[Line]:
    return (Line(number, data) for number, data in enumerate(generate(TRANSACTIONS, seed), 1))


def metrics_are_emitted(settings: Settings, clients: AwsClients) -> str:
    """What the alarms on stream, function and landing ask for. Metrics of faults exist only after a fault."""
    wanted = [
        metric
        for spec in alarms(settings)
        for metric in spec.metrics.values()
        if metric.name in ("IncomingRecords", "Invocations", "IteratorAge", "RecordsReceived", "RecordsQuarantined")
    ]

    def missing() -> list[Metric]:
        return [metric for metric in wanted if not _is_listed(clients("cloudwatch"), metric)]

    try:
        wait_until(lambda: not missing(), "metrics", _QUERY_SECONDS)  # a new metric is listed after minutes
    except PlatformError:
        told = ", ".join(f"{each.namespace} {each.name} {dict(each.dimensions)}" for each in missing())
        raise Disproven(f"not emitted: {told}") from None
    return f"{len(wanted)} metrics are listed under the alarms' dimensions"


def _is_listed(cloudwatch: Any, metric: Metric) -> bool:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions.items()]
    found = cloudwatch.list_metrics(Namespace=metric.namespace, MetricName=metric.name, Dimensions=dimensions)
    # ListMetrics takes the dimensions for a filter: more than these is another metric.
    return any(len(each["Dimensions"]) == len(dimensions) for each in found["Metrics"])


def job_logs_are_kept(settings: Settings, clients: AwsClients) -> str:
    pages = clients("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=GLUE_LOG_GROUPS)
    groups = [group for page in pages for group in page["logGroups"] if settings.prefix in group["logGroupName"]]
    loose = [group["logGroupName"] for group in groups if not (group.get("retentionInDays") and group.get("kmsKeyId"))]
    if loose or not groups:
        raise Disproven(f"without retention or key: {', '.join(loose) or 'there is no log group at all'}")
    return ", ".join(group["logGroupName"] for group in groups)


def athena_reads(settings: Settings, clients: AwsClients) -> str:
    pages = clients("glue").get_paginator("get_tables").paginate(DatabaseName=settings.glue_database)
    tables = [table["Name"] for page in pages for table in page["TableList"]]
    if not tables:
        raise Disproven(f"the database {settings.glue_database} has no table")
    return ", ".join(f"{table}: {_count_in_athena(settings, clients('athena'), table)}" for table in tables)


def _count_in_athena(settings: Settings, athena: Any, table: str) -> str:
    id_ = athena.start_query_execution(
        QueryString=f'SELECT count(*) FROM "{table}"',
        QueryExecutionContext={"Database": settings.glue_database},
        WorkGroup=settings.prefix,
    )["QueryExecutionId"]
    status: dict[str, Any] = {}

    def ended() -> bool:
        status.update(athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]["Status"])
        return status["State"] in ("SUCCEEDED", "FAILED", "CANCELLED")

    wait_until(ended, f"query {id_}", _QUERY_SECONDS)
    if status["State"] != "SUCCEEDED":
        raise Disproven(f"{table}: {status.get('StateChangeReason', status['State'])}")
    rows = athena.get_query_results(QueryExecutionId=id_)["ResultSet"]["Rows"]
    return str(rows[1]["Data"][0]["VarCharValue"])


def denied_and_allowed(settings: Settings) -> dict[str, tuple[list[tuple[str, str]], tuple[str, str]]]:
    """Role -> what it must not do, and a right that it has: a simulation that denies everything would prove nothing."""
    raw, quarantine = f"{settings.bucket_arn('raw')}/raw/x", f"{settings.bucket_arn('quarantine')}/quarantine/x"
    curated, audit = f"{settings.bucket_arn('curated')}/curated/x", f"{settings.bucket_arn('audit')}/AWSLogs/x"
    secret = settings.arn("secretsmanager", f"secret:{settings.tokenization_secret_name}-AbCdEf")
    stream = settings.stream_arn
    return {
        "lambda": (
            [("s3:GetObject", raw), ("s3:GetObject", quarantine), ("s3:DeleteObject", raw), ("s3:GetObject", curated)],
            ("kinesis:GetRecords", stream),
        ),
        "fraud": (
            [
                ("kinesis:GetRecords", stream),
                ("secretsmanager:GetSecretValue", secret),
                ("s3:PutObject", raw),
                ("s3:GetObject", curated),
                ("s3:GetObject", quarantine),
            ],
            ("s3:GetObject", f"{settings.bucket_arn('raw')}/raw/transactions/x"),
        ),
        "webhook": (
            [
                ("kinesis:GetRecords", stream),
                ("secretsmanager:GetSecretValue", secret),
                ("s3:GetObject", raw),
                ("sns:Publish", settings.arn("sns", fraud_topic_name(settings))),
            ],
            ("sqs:ReceiveMessage", settings.arn("sqs", webhook_queue_name(settings))),
        ),
        "glue": (
            [
                ("kinesis:GetRecords", stream),
                ("secretsmanager:GetSecretValue", secret),
                ("s3:DeleteObject", raw),
                ("s3:PutObject", raw),
            ],
            ("s3:GetObject", raw),
        ),
        "optimizer": (
            [("s3:GetObject", raw), ("kinesis:GetRecords", stream), ("secretsmanager:GetSecretValue", secret)],
            ("s3:GetObject", curated),
        ),
        "redshift": (
            [
                ("s3:PutObject", curated),
                ("s3:GetObject", raw),
                ("kinesis:GetRecords", stream),
                ("secretsmanager:GetSecretValue", secret),
            ],
            ("s3:GetObject", curated),
        ),
        "cloudtrail": (
            [("s3:GetObject", audit), ("logs:DeleteLogGroup", settings.arn("logs", "log-group:x"))],
            (
                "logs:PutLogEvents",
                settings.arn(
                    "logs",
                    f"log-group:/aws/cloudtrail/{settings.trail_name}:log-stream:"
                    f"{settings.account_id}_CloudTrail_{settings.region}",
                ),
            ),
        ),
    }


def roles_are_denied(settings: Settings, clients: AwsClients) -> str:
    tried = 0
    for purpose, (denied, allowed) in denied_and_allowed(settings).items():
        if not _may(settings, clients, purpose, *allowed):
            raise Disproven(f"the {purpose} role may not even {allowed[0]}: the simulation proves nothing")
        for action, resource in denied:
            tried += 1
            if _may(settings, clients, purpose, action, resource):
                raise Disproven(f"the {purpose} role may {action} on {resource}")
    return f"{tried} denials by {len(denied_and_allowed(settings))} roles"


def _may(settings: Settings, clients: AwsClients, purpose: str, action: str, resource: str) -> bool:
    found = clients("iam").simulate_principal_policy(
        PolicySourceArn=settings.role_arn(purpose), ActionNames=[action], ResourceArns=[resource]
    )
    return any(each["EvalDecision"] == "allowed" for each in found["EvaluationResults"])


def bucket_refuses(settings: Settings, clients: AwsClients) -> str:
    try:
        clients("s3").put_object(
            Bucket=settings.bucket("raw"), Key="acceptance/other-encryption", Body=b"", ServerSideEncryption="AES256"
        )
    except ClientError as error:
        if error_code(error) == "AccessDenied":
            return str(error)
        raise
    raise Disproven("an object with another encryption was taken")


def alarm_reaches_topic(settings: Settings, clients: AwsClients) -> str:
    cloudwatch, name = clients("cloudwatch"), f"{settings.prefix}-landing-errors"
    began = time.time()
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="acceptance")
    told: list[str] = []

    def acted() -> bool:
        history = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="Action")["AlarmHistoryItems"]
        told[:] = [each["HistorySummary"] for each in history if each["Timestamp"].timestamp() >= began - 60]
        return bool(told)

    wait_until(acted, f"alarm {name}", _QUERY_SECONDS)
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="acceptance")
    if not any("Successfully executed action" in each and topic_arn(settings) in each for each in told):
        raise Disproven("; ".join(told))
    return told[0]


def trail_delivers(settings: Settings, clients: AwsClients) -> str:
    trail = settings.arn("cloudtrail", f"trail/{settings.trail_name}")
    status: dict[str, Any] = {}

    def delivered() -> bool:
        status.clear()
        status.update(clients("cloudtrail").get_trail_status(Name=trail))
        faults = (status.get("LatestCloudWatchLogsDeliveryError"), status.get("LatestDeliveryError"))
        return bool(any(faults) or status.get("LatestCloudWatchLogsDeliveryTime"))

    wait_until(delivered, f"trail {settings.trail_name}", _DELIVERY_SECONDS)
    for name in ("LatestCloudWatchLogsDeliveryError", "LatestDeliveryError"):
        if status.get(name):
            raise Disproven(f"{name}: {status[name]}")
    return f"delivered at {status['LatestCloudWatchLogsDeliveryTime']}"
