"""A Lambda function as all of ours are, and what feeds one from a queue. Each folder declares its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infrastructure.aws.lambda_ import Function, code_sha256
from infrastructure.aws.lambda_mapping import QueueMapping
from infrastructure.aws.sqs import Queue
from infrastructure.function_network import network
from infrastructure.planning.resource import Clients
from infrastructure.references import key_arn
from infrastructure.settings import Settings


def lambda_function(
    settings: Settings,
    clients: Clients,
    part: str,
    name: str,
    zip_bytes: Callable[[], bytes],
    *,
    role: str,
    handler: str,
    description: str,
    memory_mb: int,
    timeout_seconds: int,
    environment: dict[str, Any],
    reserved_concurrency: int | None = None,
) -> Function:
    """The function with the platform's runtime, key, network and tags. role: its purpose."""
    return Function(
        part=part,
        name=name,
        clients=clients,
        zip_bytes=zip_bytes,
        properties={
            "CodeSha256": lambda: code_sha256(zip_bytes()),  # built only when it is compared or uploaded
            "Runtime": settings.lambda_runtime,
            "Handler": handler,
            "Architectures": [settings.lambda_architecture],
            "Role": settings.role_arn(role),
            "Description": description,
            "MemorySize": memory_mb,
            "Timeout": timeout_seconds,
            "Environment": environment,
            "KMSKeyArn": key_arn(settings, "data"),
            "TracingConfig": "Active",
            "ReservedConcurrentExecutions": reserved_concurrency,
            **network(settings),
            "Tags": settings.all_tags,
        },
    )


def queue_mapping(
    settings: Settings,
    clients: Clients,
    function: Function,
    queue: Queue,
    *,
    messages_at_once: int,
    at_the_same_time: int,
    after: tuple[str, ...] = (),
) -> QueueMapping:
    """The function is invoked with the queue's messages, and names those that are to come again.

    at_the_same_time: invocations, at most; this takes none from the account's other functions. after: as a resource's.
    """
    return QueueMapping(
        part=function.part,
        name=f"{queue.name} -> {function.name}",
        clients=clients,
        function_name=function.name,
        source_arn=settings.arn("sqs", queue.name),
        depends_on=(function.id, queue.id),
        after=after,
        properties={
            "BatchSize": messages_at_once,
            "MaximumBatchingWindowInSeconds": 0,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": at_the_same_time},
            "Enabled": True,
            "Tags": settings.all_tags,
        },
    )
