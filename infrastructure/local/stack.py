"""The embedded stack: AWS on the laptop, in one process tree.

moto stands in for the AWS services, in process and as a server for the Glue job's process. The event source mapping,
the Glue job, Redshift's SQL and the buckets' files are this folder's own, because moto only imitates them. NOT_ENFORCED
lists what is not enforced here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infrastructure import provisioning
from infrastructure.aws.clients import AwsClients, client, forget
from infrastructure.aws.iceberg import tables_of
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws, emulator_server
from infrastructure.local.object_files import ObjectFiles
from infrastructure.local.queue_function import FraudStream, QueueFunction, items_of, put_items, queue_function
from infrastructure.local.set_additions import fast_set_additions
from infrastructure.local.stream_poller import FunctionThrottled, MappingConfiguration, Observer, StreamPoller
from infrastructure.local.stream_records import drop_consumed, patched_moto_kinesis
from infrastructure.local.workdir import Workdir
from infrastructure.planning.apply import Outcome, Report
from infrastructure.references import (
    fraud_function_name,
    fraud_queue_name,
    fraud_table_name,
    webhook_function_name,
    webhook_queue_name,
    webhook_secret_name,
)
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.table import Table

NOT_ENFORCED = {
    "bucket policies": "the emulator denies whatever the condition says; taken off before data flows",
    "access logging": "set, then switched off: the emulator would write an object per request",
    "IAM": "roles and policies are made, not enforced",
    "KMS": "keys are made and named, objects are not encrypted",
    "Redshift, CloudTrail logs": "PostgreSQL stands in for the warehouse; no trail is written",
}

KEPT_BUCKETS = ("raw", "curated", "quarantine", "artifacts")
_ATTEMPTS_WHERE_ENDLESS = 10  # nobody waits a day on a laptop for a fault to pass
_NOT_HERE = ("redshift",)  # PostgreSQL's part; see infrastructure/local/redshift/postgresql.py
_DUMMY = "testing"
_ISOLATED = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN")


class EmbeddedStack:
    """Open it as a context; then provision it, and read or change data through its clients."""

    def __init__(self, settings: Settings, workdir: Workdir) -> None:
        self.settings = settings
        self.workdir = workdir
        self.endpoint_url = ""
        self._files = ObjectFiles(
            workdir.objects, settings.account_id, [settings.bucket(purpose) for purpose in KEPT_BUCKETS]
        )
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> EmbeddedStack:
        with contextlib.ExitStack() as exits:
            exits.enter_context(_isolated_environment(self.settings))
            exits.enter_context(emulated_aws())
            self.endpoint_url = exits.enter_context(emulator_server())
            exits.enter_context(patched_moto_kinesis())
            exits.enter_context(fast_set_additions())
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._exits.close()

    @property
    def job_environment(self) -> dict[str, str]:
        """What a separate process needs to work on this stack: the endpoint and dummy keys."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": _DUMMY,
            "AWS_SECRET_ACCESS_KEY": _DUMMY,
            "AWS_DEFAULT_REGION": self.settings.region,
        }

    @property
    def job_arguments(self) -> dict[str, str]:
        """The Glue job's arguments, as it is deployed, but for the warehouse's, which is loaded from here."""
        settings = self.settings
        return {
            "JOB_NAME": settings.glue_job_name,
            "raw_bucket": settings.bucket("raw"),
            "curated_bucket": settings.bucket("curated"),
            "quarantine_bucket": settings.bucket("quarantine"),
            "glue_database": settings.glue_database,
            "deduplication_window_days": str(settings.deduplication_window_days),
            "metrics_namespace": settings.metrics_namespace,
            "fraud_rules_file": settings.fraud_rules_file,
        }

    def client(self, service: str) -> Any:
        return client(service, self.settings.region)

    def tables(self, name: str) -> Table:
        """One of the lake's Iceberg tables, as it is now."""
        return tables_of(self.client("glue"), self.client("s3"), self.settings.glue_database)(name)

    @property
    def clients(self) -> AwsClients:
        return AwsClients(self.settings.region, emulated=True)

    def provision(
        self,
        incarnation: str | None = None,
        on_progress: Callable[[str], None] = lambda name: None,
        only: Sequence[str] = (),
    ) -> Report:
        """Make the account's resources with the same code as in AWS, but for the lake's tables; on_progress gets each
        one's name.

        incarnation: the stream's, needed if a stream is made; only: parts, empty for all. The function's code is not
        uploaded, because its handler runs in process.
        """
        embedded = provisioning.Embedded(
            lambda_zip=lambda: provisioning.PLACEHOLDER_ZIP, stream_incarnation=incarnation
        )
        return self._provision(only, (*_NOT_HERE, "data_catalog"), embedded, on_progress)

    def _provision(
        self,
        only: Sequence[str],
        except_: Sequence[str],
        embedded: provisioning.Embedded | None = None,
        on_progress: Callable[[str], None] = lambda name: None,
    ) -> Report:
        report = provisioning.apply(
            self.settings,
            clients=self.clients,
            only=only,
            except_=except_,
            embedded=embedded,
            on_progress=lambda result: on_progress(result.resource.name),
        )
        report.raise_for_errors()
        return report

    def left_out(self, report: Report) -> dict[str, str]:
        """What provisioning could not make here, and why; several of a type for the same reason together."""
        alike: dict[tuple[str, str], list[str]] = {}
        for result in report.of(Outcome.UNSUPPORTED):
            reason = result.note or "not implemented by the emulator"
            alike.setdefault((result.resource.type, reason), []).append(result.resource.name)
        return {
            f"{type_} {names[0]}" if len(names) == 1 else f"{len(names)} of {type_}": reason
            for (type_, reason), names in alike.items()
        }

    def open_for_data(self) -> int:
        """After provisioning: remove what moto would enforce wrongly, restore kept objects; returns their number."""
        s3 = self.client("s3")
        for bucket in s3.list_buckets()["Buckets"]:
            s3.delete_bucket_policy(Bucket=bucket["Name"])
            s3.put_bucket_logging(Bucket=bucket["Name"], BucketLoggingStatus={})
        self._silence_moto_mappings()
        # One tokenisation key for all runs in a workdir, so that their tokens and fingerprints are comparable.
        self._keep_secret("tokenization", self.settings.tokenization_secret_name)
        if self.settings.delivers_alerts:
            self._keep_secret("webhook", webhook_secret_name(self.settings))
        restored = self._files.restore()
        self._exits.enter_context(self._files.kept())
        return restored

    def provision_tables(self) -> Report:
        """After open_for_data: make the lake's tables, or take them up as the kept objects have them."""
        return self._provision(("data_catalog",), ())

    def event_source_mapping(
        self,
        handler: Callable[[dict[str, Any], Any], Any],
        on_progress: Callable[[int], None],
        batch_size: Callable[[int], int] = lambda configured: configured,
        observer: Observer | None = None,
    ) -> StreamPoller:
        """The mapping as it was provisioned, invoking the handler in process."""
        lambda_, name = self.client("lambda"), self.settings.function_name
        deployed = lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        if len(deployed) != 1:
            raise PlatformError(
                f"function {name}",
                f"has {len(deployed)} event source mappings",
                "Provision data_ingestion: it makes exactly one",
            )
        found = deployed[0]
        attempts = found.get("MaximumRetryAttempts", -1)
        queue_arn = found.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        sqs = self.client("sqs")
        configuration = MappingConfiguration(
            stream_arn=found["EventSourceArn"],
            function_arn=found["FunctionArn"],
            batch_size=found["BatchSize"],
            batch_window_seconds=found.get("MaximumBatchingWindowInSeconds", 0),
            maximum_retry_attempts=attempts if attempts >= 0 else _ATTEMPTS_WHERE_ENDLESS,
            maximum_record_age_seconds=found.get("MaximumRecordAgeInSeconds", -1),
            on_failure_queue_url=sqs.get_queue_url(QueueName=queue_arn.rsplit(":", 1)[1])["QueueUrl"]
            if queue_arn
            else None,
            is_enabled=found["State"] == "Enabled",
        )
        if lambda_.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") == 0:
            handler = _refuse

        def checkpoint(shard_id: str, sequence_number: int) -> None:
            settings = self.settings
            drop_consumed(settings.account_id, settings.region, settings.stream_name, shard_id, sequence_number)

        kinesis = self.client("kinesis")
        return StreamPoller(configuration, handler, kinesis, sqs, checkpoint, on_progress, batch_size, observer)

    @contextlib.contextmanager
    def fraud_function(self) -> Iterator[FraudStream | None]:
        """The running fraud function over what the workdir has kept of its table, and the one that posts its alerts if
        the settings name a webhook; None if the settings leave the stream out.

        What the function has added to the table is kept once the context ends well.
        """
        settings, dynamodb = self.settings, self.client("dynamodb")
        if not settings.stream_alerts:
            yield None
            return
        table = fraud_table_name(settings)
        put_items(dynamodb, table, self.workdir.fraud_items())
        with contextlib.ExitStack() as exits:
            detecting = self.function_behind(
                fraud_queue_name(settings), fraud_function_name(settings), self.workdir.fraud_log
            )
            running = [exits.enter_context(detecting)]
            if settings.delivers_alerts:
                queue, function = webhook_queue_name(settings), webhook_function_name(settings)
                running.append(
                    exits.enter_context(self.function_behind(queue, function, self.workdir.webhook_log, pauses=True))
                )
            yield FraudStream(tuple(running))
        self.workdir.keep_fraud_items(items_of(dynamodb, table))

    def function_behind(
        self, queue: str, function: str, log: Path, pauses: bool = False
    ) -> contextlib.AbstractContextManager[QueueFunction]:
        """The function that takes the messages of a queue, as both are deployed."""
        url = self.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        deployed = self.client("lambda").get_function_configuration(FunctionName=function)
        environment = self.job_environment | deployed["Environment"]["Variables"]
        return queue_function(deployed["Handler"].rpartition(".")[0], environment, url, log, pauses)

    def function_environment(self, name: str) -> dict[str, str]:
        """The environment variables that were deployed with a function."""
        configuration = self.client("lambda").get_function_configuration(FunctionName=name)
        variables: dict[str, str] = configuration["Environment"]["Variables"]
        return variables

    def _silence_moto_mappings(self) -> None:
        """moto would invoke its own mappings inside put_records and put_object; our pollers deliver instead."""
        from moto.kinesis.models import kinesis_backends
        from moto.sqs.models import sqs_backends

        account, region = self.settings.account_id, self.settings.region
        for stream in kinesis_backends[account][region].streams.values():
            stream.lambda_event_source_mappings.clear()
        for queue in sqs_backends[account][region].queues.values():
            queue.lambda_event_source_mappings.clear()

    def _keep_secret(self, of: str, name: str) -> None:
        """Every run in a workdir uses the value that its first one has made."""
        secrets = self.client("secretsmanager")
        kept = self.workdir.secret(of)
        if kept is None:
            self.workdir.keep_secret(secrets.get_secret_value(SecretId=name)["SecretString"], of)
        else:
            secrets.put_secret_value(SecretId=name, SecretString=kept)


def _refuse(event: dict[str, Any], context: Any) -> None:
    """The function with a reserved concurrency of nought."""
    raise FunctionThrottled


@contextlib.contextmanager
def _isolated_environment(settings: Settings) -> Iterator[None]:
    """Dummy keys and no endpoint, so that nothing here can reach a real account, whatever the shell has set."""
    before = dict(os.environ)
    for name in _ISOLATED:
        os.environ.pop(name, None)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": _DUMMY,
        "AWS_SECRET_ACCESS_KEY": _DUMMY,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    }
    forget()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        forget()
