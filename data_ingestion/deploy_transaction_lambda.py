"""The landing function, its event source mapping, its on-failure queue and its log group.

    python data_ingestion/deploy_transaction_lambda.py        # deploy or mend these alone

The code is the zip of scripts/package_lambda.py. Equal sources build equal bytes, so an unchanged source is no change.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data_ingestion.function_package import build_zip
from infrastructure.aws.iam import RolePolicy
from infrastructure.aws.lambda_ import EventSourceMapping, Function, code_sha256
from infrastructure.aws.policy_template import policy_from
from infrastructure.aws.sqs import Queue
from infrastructure.log_groups import log_group
from infrastructure.planning.resource import Clients, Properties, Resource
from infrastructure.references import (
    NETWORK_POLICY,
    bucket_id,
    key_arn,
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
# SQS's maximum, longer than the stream keeps the records that a message points to
QUEUE_RETENTION_SECONDS = 14 * 86_400
QUEUE_VISIBILITY_SECONDS = 300
NETWORK_POLICY_TEMPLATE = Path(__file__).resolve().parents[1] / "security" / "lambda_network.json"


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
    zip_bytes = functools.cache(lambda_zip or _packaged(settings))
    group = log_group(settings, clients, "data_ingestion", settings.function_log_group)
    queue = _queue(settings, clients)
    function = Function(
        part="data_ingestion",
        name=settings.function_name,
        clients=clients,
        zip_bytes=zip_bytes,
        depends_on=(
            group.id,
            role_id(settings, "lambda"),
            bucket_id(settings, "raw"),
            bucket_id(settings, "quarantine"),
            secret_arn(settings).resource,
        ),
        properties={
            "CodeSha256": lambda: code_sha256(zip_bytes()),  # built only when it is compared or uploaded
            "Runtime": settings.lambda_runtime,
            "Handler": HANDLER,
            "Architectures": [settings.lambda_architecture],
            "Role": settings.role_arn("lambda"),
            "Description": DESCRIPTION,
            "MemorySize": settings.lambda_memory_mb,
            "Timeout": settings.lambda_timeout_seconds,
            "Environment": function_environment(settings, incarnation or stream_incarnation(settings)),
            "KMSKeyArn": key_arn(settings, "data"),
            "TracingConfig": "Active",
            "ReservedConcurrentExecutions": settings.lambda_reserved_concurrency or None,
            **_network(settings),
            "Tags": settings.all_tags,
        },
    )
    rights = _network_rights(settings, clients)
    if rights.wanted:
        function.depends_on = (*function.depends_on, rights.id)
    else:
        rights.after = (function.id,)  # Lambda removes the function's network interfaces with its role's rights
    return [group, queue, rights, function, _mapping(settings, clients, function, queue)]


def _network(settings: Settings) -> Properties:
    """Where the function stands, if the settings name a network."""
    if not settings.lambda_subnet_ids:
        return {}
    subnets, groups = settings.lambda_subnet_ids, settings.lambda_security_group_ids
    return {"VpcConfig": {"SubnetIds": list(subnets), "SecurityGroupIds": list(groups)}}


def _network_rights(settings: Settings, clients: Clients) -> RolePolicy:
    """The role's right to network interfaces, which Lambda makes and removes with it. The function's code has none."""
    return RolePolicy(
        part="data_ingestion",
        name=f"{settings.role_name('lambda')}/{NETWORK_POLICY}",
        clients=clients,
        depends_on=(role_id(settings, "lambda"),),
        wanted=bool(settings.lambda_subnet_ids),
        properties={"PolicyDocument": network_policy(settings)},
    )


def network_policy(settings: Settings) -> dict[str, Any]:
    """What the role of a function in a network may do beside."""
    return policy_from(NETWORK_POLICY_TEMPLATE, {"function_arn": settings.function_arn})


def _packaged(settings: Settings) -> Callable[[], bytes]:
    def build() -> bytes:
        return build_zip(settings.lambda_runtime, settings.lambda_architecture)

    return build


def _queue(settings: Settings, clients: Clients) -> Queue:
    arn = settings.on_failure_queue_arn
    return Queue(
        part="data_ingestion",
        name=settings.on_failure_queue_name,
        clients=clients,
        properties={
            "KmsMasterKeyId": key_arn(settings, "messaging"),
            "MessageRetentionPeriod": QUEUE_RETENTION_SECONDS,
            "VisibilityTimeout": QUEUE_VISIBILITY_SECONDS,
            "Policy": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "DenyInsecureTransport",
                        "Effect": "Deny",
                        "Principal": {"AWS": "*"},
                        "Action": "sqs:*",
                        "Resource": arn,
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ],
            },
            "Tags": settings.all_tags,
        },
    )


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
        stream_arn=settings.stream_arn,
        depends_on=(function.id, queue.id, stream_id(settings)),
        properties=properties,
    )


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
