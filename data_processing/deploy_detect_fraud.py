"""The fraud stream: the raw bucket's notification, its queue, the function, its table and the topic that it tells.

    python data_processing/deploy_detect_fraud.py        # make or mend these alone

STREAM_ALERTS=false leaves all of it out, and removes what stands. docs/fraud_stream.md tells how it works.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from data_catalog.lake_layout import RAW_TRANSACTIONS_PREFIX
from data_catalog.stream_alerts import EXPIRES_AT, ITEM, SUBJECT
from data_processing.job_package import rules_of
from infrastructure.aws.dynamodb import DynamoDBTable
from infrastructure.aws.lambda_ import Function
from infrastructure.aws.s3_notification import BucketNotification
from infrastructure.aws.sns import Topic
from infrastructure.aws.sqs import Queue
from infrastructure.encrypted_queue import queue_of_a_function
from infrastructure.function_network import network_rights
from infrastructure.function_package import build_zip
from infrastructure.lambda_function import lambda_function, queue_mapping
from infrastructure.log_groups import log_group
from infrastructure.planning.resource import Clients, Resource
from infrastructure.references import (
    bucket_id,
    fraud_failures_queue_name,
    fraud_function_name,
    fraud_notification_id,
    fraud_queue_name,
    fraud_table_name,
    fraud_topic_name,
    key_arn,
    role_id,
    webhook_queue_name,
)
from infrastructure.settings import Settings

# The configuration beyond settings, as plain data.
HANDLER = "data_processing.detect_fraud_lambda.handler"
DESCRIPTION = "Raises fraud alerts from landed transactions"
MEMORY_MB = 1769  # one vCPU: an object of 5,000 transactions is looked at within seconds
TIMEOUT_SECONDS = 60
# One message at a time: an object is a batch of transactions already, and a second one would wait for the first.
MESSAGES_AT_ONCE = 1
# Six times the timeout, as AWS advises, because a message that waits for a free invocation is invisible too.
VISIBILITY_SECONDS = 6 * TIMEOUT_SECONDS
ATTEMPTS = 5  # of a message, before it goes to the dead-letter queue
_PART = "data_processing"


def package(settings: Settings) -> bytes:
    """The function's zip, with the fraud rules in it."""
    module = HANDLER.rpartition(".")[0]
    rules = rules_of(settings.fraud_rules_file)
    return build_zip(settings.lambda_runtime, settings.lambda_architecture, module, rules)


def function_environment(settings: Settings) -> dict[str, Any]:
    """The function's environment variables."""
    return {
        "RAW_BUCKET": settings.bucket("raw"),
        "FRAUD_TABLE": fraud_table_name(settings),
        "FRAUD_TOPIC_ARN": settings.arn("sns", fraud_topic_name(settings)),
        "POWERTOOLS_SERVICE_NAME": fraud_function_name(settings),
        "POWERTOOLS_METRICS_NAMESPACE": settings.metrics_namespace,
    }


def resources(settings: Settings, clients: Clients, lambda_zip: Callable[[], bytes] | None = None) -> list[Resource]:
    """Queues, table, topic, function, mapping and notification. lambda_zip: given by the embedded stack, which runs
    the handler in process."""
    failures, queue = _queues(settings, clients)
    table, topic = _table(settings, clients), _topic(settings, clients)
    group = log_group(settings, clients, _PART, f"/aws/lambda/{fraud_function_name(settings)}")
    function = _function(settings, clients, functools.cache(lambda_zip or (lambda: package(settings))))
    function.wanted = settings.stream_alerts
    function.depends_on = (group.id, role_id(settings, "fraud"), table.id, topic.id)
    rights = network_rights(settings, clients, function, "fraud")
    notification = BucketNotification(
        part=_PART,
        name=f"{settings.bucket('raw')}/{fraud_notification_id(settings)}",
        clients=clients,
        depends_on=(bucket_id(settings, "raw"), queue.id),
        properties={
            "QueueArn": settings.arn("sqs", queue.name),
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"prefix": RAW_TRANSACTIONS_PREFIX},
        },
    )
    mapping = queue_mapping(
        settings,
        clients,
        function,
        queue,
        messages_at_once=MESSAGES_AT_ONCE,
        at_the_same_time=settings.fraud_maximum_concurrency,
        after=(notification.id,),  # S3 tries the queue with a message of its own
    )
    found: list[Resource] = [failures, queue, table, topic, group, rights, function, mapping, notification]
    for each in found:
        each.wanted = each.wanted and settings.stream_alerts
    return found


def topic_policy(settings: Settings) -> dict[str, Any]:
    """The function publishes by its role's policy, so the topic's own lets nobody in; nobody may without TLS."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "DenyInsecureTransport",
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Action": "sns:Publish",
                "Resource": settings.arn("sns", fraud_topic_name(settings)),
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def _queues(settings: Settings, clients: Clients) -> tuple[Queue, Queue]:
    """The dead-letter queue, and the queue to which S3 sends a message for each raw object."""
    tells = {
        "Sid": "RawBucketTells",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Condition": {
            "StringEquals": {"aws:SourceAccount": settings.account_id},
            "ArnEquals": {"aws:SourceArn": settings.bucket_arn("raw")},
        },
    }
    return queue_of_a_function(
        settings,
        clients,
        _PART,
        fraud_queue_name(settings),
        fraud_failures_queue_name(settings),
        tells,
        visibility_seconds=VISIBILITY_SECONDS,
        attempts=ATTEMPTS,
    )


def _table(settings: Settings, clients: Clients) -> DynamoDBTable:
    name = fraud_table_name(settings)
    return DynamoDBTable(
        part=_PART,
        name=name,
        clients=clients,
        table_arn=settings.arn("dynamodb", f"table/{name}"),
        keep="it holds alerts, and what the rules remember of the last days",
        properties={
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in (SUBJECT, ITEM)],
            "KeySchema": [
                {"AttributeName": SUBJECT, "KeyType": "HASH"},
                {"AttributeName": ITEM, "KeyType": "RANGE"},
            ],
            "BillingMode": "PAY_PER_REQUEST",
            "KMSMasterKeyId": key_arn(settings, "data"),
            "TimeToLiveAttribute": EXPIRES_AT,
            "DeletionProtectionEnabled": True,
            "Tags": settings.all_tags,
        },
    )


def _topic(settings: Settings, clients: Clients) -> Topic:
    return Topic(
        part=_PART,
        name=fraud_topic_name(settings),
        clients=clients,
        topic_arn=settings.arn("sns", fraud_topic_name(settings)),
        addresses=(settings.arn("sqs", webhook_queue_name(settings)),) if settings.delivers_alerts else (),
        properties={
            "KmsMasterKeyId": key_arn(settings, "messaging"),
            "Policy": topic_policy(settings),
            "Tags": settings.all_tags,
        },
    )


def _function(settings: Settings, clients: Clients, zip_bytes: Callable[[], bytes]) -> Function:
    return lambda_function(
        settings,
        clients,
        _PART,
        fraud_function_name(settings),
        zip_bytes,
        role="fraud",
        handler=HANDLER,
        description=DESCRIPTION,
        memory_mb=MEMORY_MB,
        timeout_seconds=TIMEOUT_SECONDS,
        environment=function_environment(settings),
    )


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
