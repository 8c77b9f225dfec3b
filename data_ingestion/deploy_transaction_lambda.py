"""The landing function, its event source mapping, its on-failure queue and its log group.

    python data_ingestion/deploy_transaction_lambda.py        # deploy or mend these alone

The code is the zip of scripts/package_lambda.py. Equal sources build equal bytes, so an unchanged source is no change.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from infrastructure.aws.lambda_ import Function
from infrastructure.aws.lambda_mapping import EventSourceMapping
from infrastructure.aws.sqs import Queue
from infrastructure.encrypted_queue import LONGEST_RETENTION_SECONDS, encrypted_queue
from infrastructure.function_network import network_rights
from infrastructure.function_package import build_zip
from infrastructure.lambda_function import lambda_function
from infrastructure.log_groups import log_group
from infrastructure.planning.resource import Clients, Properties, Resource
from infrastructure.references import (
    bucket_id,
    role_id,
    secret_arn,
    stream_id,
    stream_incarnation,
)
from infrastructure.settings import Settings

# The configuration beyond settings, as plain data.
HANDLER = "data_ingestion.process_transaction_lambda.handler"
DESCRIPTION = "Lands transactions: validates, tokenises, writes raw and quarantine objects"
STARTING_POSITION = "TRIM_HORIZON"  # so that records put before the mapping existed land too
QUEUE_VISIBILITY_SECONDS = 300


def package(settings: Settings) -> bytes:
    """The function's zip."""
    return build_zip(settings.lambda_runtime, settings.lambda_architecture, HANDLER.rpartition(".")[0])


def function_environment(settings: Settings, incarnation: Any) -> dict[str, Any]:
    """The function's environment variables. incarnation: the stream's, text or a Ref."""
    return {
        "RAW_BUCKET": settings.bucket("raw"),
        "QUARANTINE_BUCKET": settings.bucket("quarantine"),
        "TOKENIZATION_SECRET_ID": settings.tokenization_secret_name,
        "STREAM_INCARNATION": incarnation,
        "POWERTOOLS_SERVICE_NAME": settings.function_name,
        "POWERTOOLS_METRICS_NAMESPACE": settings.metrics_namespace,
    }


def resources(
    settings: Settings,
    clients: Clients,
    lambda_zip: Callable[[], bytes] | None = None,
    incarnation: str | None = None,
) -> list[Resource]:
    """Queue, log group, function and mapping.

    lambda_zip, incarnation: given by the embedded stack, which runs the handler in process and numbers its streams
    itself.
    """
    zip_bytes = functools.cache(lambda_zip or (lambda: package(settings)))
    group = log_group(settings, clients, "data_ingestion", settings.function_log_group)
    queue = encrypted_queue(
        settings,
        clients,
        "data_ingestion",
        settings.on_failure_queue_name,
        # SQS's maximum, longer than the stream keeps the records that a message points to
        MessageRetentionPeriod=LONGEST_RETENTION_SECONDS,
        VisibilityTimeout=QUEUE_VISIBILITY_SECONDS,
    )
    function = lambda_function(
        settings,
        clients,
        "data_ingestion",
        settings.function_name,
        zip_bytes,
        role="lambda",
        handler=HANDLER,
        description=DESCRIPTION,
        memory_mb=settings.lambda_memory_mb,
        timeout_seconds=settings.lambda_timeout_seconds,
        environment=function_environment(settings, incarnation or stream_incarnation(settings)),
        reserved_concurrency=settings.lambda_reserved_concurrency or None,
    )
    function.depends_on = (
        group.id,
        role_id(settings, "lambda"),
        bucket_id(settings, "raw"),
        bucket_id(settings, "quarantine"),
        secret_arn(settings).resource,
    )
    rights = network_rights(settings, clients, function, "lambda")
    return [group, queue, rights, function, _mapping(settings, clients, function, queue)]


def _mapping(settings: Settings, clients: Clients, function: Function, queue: Queue) -> EventSourceMapping:
    properties: Properties = {
        "StartingPosition": STARTING_POSITION,
        "BatchSize": settings.batch_size,
        "MaximumBatchingWindowInSeconds": settings.batch_window_seconds,
        "ParallelizationFactor": settings.parallelization_factor,
        # bad records never raise, and other batch boundaries would only land rows twice
        "BisectBatchOnFunctionError": False,
        "MaximumRetryAttempts": settings.maximum_retry_attempts,
        "MaximumRecordAgeInSeconds": settings.maximum_record_age_seconds,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Destination": settings.on_failure_queue_arn}},
        "Enabled": True,
        "Tags": settings.all_tags,
    }
    return EventSourceMapping(
        part="data_ingestion",
        name=f"{settings.stream_name} -> {settings.function_name}",
        clients=clients,
        function_name=settings.function_name,
        source_arn=settings.stream_arn,
        depends_on=(function.id, queue.id, stream_id(settings)),
        properties=properties,
    )


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
