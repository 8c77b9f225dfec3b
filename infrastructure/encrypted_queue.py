"""An encrypted SQS queue that refuses requests without TLS. Each folder that needs one declares its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infrastructure.aws.sqs import Queue
from infrastructure.planning.resource import Clients
from infrastructure.references import key_arn
from infrastructure.settings import Settings

LONGEST_RETENTION_SECONDS = 14 * 86_400  # SQS's maximum


def encrypted_queue(
    settings: Settings,
    clients: Clients,
    part: str,
    name: str,
    statements: Sequence[Mapping[str, Any]] = (),
    wanted: bool = True,
    **properties: Any,
) -> Queue:
    """The queue of this name with the platform's key and tags. statements: of its policy, beside the one on TLS."""
    arn = settings.arn("sqs", name)
    tls = {
        "Sid": "DenyInsecureTransport",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    own = [{**each, "Resource": arn} for each in statements]
    return Queue(
        part=part,
        name=name,
        clients=clients,
        wanted=wanted,
        properties={
            "KmsMasterKeyId": key_arn(settings, "messaging"),
            "Policy": {"Version": "2012-10-17", "Statement": [tls, *own]},
            "Tags": settings.all_tags,
            **properties,
        },
    )


def queue_of_a_function(
    settings: Settings,
    clients: Clients,
    part: str,
    name: str,
    failures_name: str,
    sender: Mapping[str, Any],
    *,
    visibility_seconds: int,
    attempts: int,
) -> tuple[Queue, Queue]:
    """The dead-letter queue, and the queue whose messages go there after so many attempts. sender: the statement that
    lets somebody send, without Effect, Action and Resource."""
    kept: dict[str, Any] = {
        "MessageRetentionPeriod": LONGEST_RETENTION_SECONDS,
        "VisibilityTimeout": visibility_seconds,
    }
    failures = encrypted_queue(settings, clients, part, failures_name, **kept)
    sends = {
        "Sid": sender["Sid"],
        "Effect": "Allow",
        "Principal": sender["Principal"],
        "Action": "sqs:SendMessage",
        "Condition": sender["Condition"],
    }
    redrive = {"deadLetterTargetArn": settings.arn("sqs", failures.name), "maxReceiveCount": attempts}
    queue = encrypted_queue(settings, clients, part, name, [sends], **kept, RedrivePolicy=redrive)
    queue.depends_on = (failures.id,)
    return failures, queue
