"""Delivery of fraud alerts to a webhook: the topic's subscription, its queue, and the function that posts.

    python data_processing/deploy_deliver_alerts.py        # make or mend these alone

Without FRAUD_WEBHOOK_URL none of it exists, and what stands is removed. docs/fraud_stream.md tells how it works.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from data_processing.deliver_alerts_lambda import ATTEMPTS
from infrastructure.aws.lambda_ import Function
from infrastructure.aws.sns import QueueSubscription, Topic
from infrastructure.aws.sqs import Queue
from infrastructure.encrypted_queue import queue_of_a_function
from infrastructure.errors import PlatformError
from infrastructure.function_network import network_rights
from infrastructure.function_package import build_zip
from infrastructure.lambda_function import lambda_function, queue_mapping
from infrastructure.log_groups import log_group
from infrastructure.planning.resource import Clients, Ref, Resource, resource_id
from infrastructure.references import (
    fraud_topic_name,
    role_id,
    webhook_failures_queue_name,
    webhook_function_name,
    webhook_queue_name,
    webhook_secret_id,
    webhook_secret_name,
)
from infrastructure.settings import Settings

# The configuration beyond settings, as plain data.
HANDLER = "data_processing.deliver_alerts_lambda.handler"
DESCRIPTION = "Delivers fraud alerts to a webhook"
MEMORY_MB = 256
TIMEOUT_SECONDS = 30
MESSAGES_AT_ONCE = 1  # so that a receiver that is slow for one alert holds up no other
AT_THE_SAME_TIME = 5  # posts to the receiver
VISIBILITY_SECONDS = 6 * TIMEOUT_SECONDS  # as AWS advises; the handler sets the pause before the next attempt
_PART = "data_processing"


def package(settings: Settings) -> bytes:
    """The function's zip."""
    return build_zip(settings.lambda_runtime, settings.lambda_architecture, HANDLER.rpartition(".")[0])


def function_environment(settings: Settings) -> dict[str, Any]:
    """The function's environment variables."""
    return {
        "WEBHOOK_URL": settings.fraud_webhook_url,
        "WEBHOOK_SECRET_ID": webhook_secret_name(settings),
        "WEBHOOK_QUEUE_URL": Ref(resource_id(Queue.type, webhook_queue_name(settings)), "Url"),
        "POWERTOOLS_SERVICE_NAME": webhook_function_name(settings),
        "POWERTOOLS_METRICS_NAMESPACE": settings.metrics_namespace,
    }


def resources(settings: Settings, clients: Clients, lambda_zip: Callable[[], bytes] | None = None) -> list[Resource]:
    """Queues, subscription, function and mapping. lambda_zip: given by the embedded stack, which runs the handler
    itself. Raises PlatformError if an account's alerts would be posted without TLS."""
    if settings.fraud_webhook_url.startswith("http://") and not clients.emulated:
        raise PlatformError(
            "settings", "FRAUD_WEBHOOK_URL is without TLS, which `local` alone takes", "Set it to an https:// URL."
        )
    failures, queue = _queues(settings, clients)
    topic_arn = settings.arn("sns", fraud_topic_name(settings))
    subscription = QueueSubscription(
        part=_PART,
        name=f"{fraud_topic_name(settings)} -> {queue.name}",
        clients=clients,
        topic_arn=topic_arn,
        endpoint=settings.arn("sqs", queue.name),
        depends_on=(resource_id(Topic.type, fraud_topic_name(settings)), queue.id),
        properties={"RawMessageDelivery": True},
    )
    group = log_group(settings, clients, _PART, f"/aws/lambda/{webhook_function_name(settings)}")
    function = _function(settings, clients, functools.cache(lambda_zip or (lambda: package(settings))))
    function.wanted = settings.delivers_alerts
    function.depends_on = (group.id, role_id(settings, "webhook"), webhook_secret_id(settings))
    rights = network_rights(settings, clients, function, "webhook")
    mapping = queue_mapping(
        settings, clients, function, queue, messages_at_once=MESSAGES_AT_ONCE, at_the_same_time=AT_THE_SAME_TIME
    )
    found: list[Resource] = [failures, queue, subscription, group, rights, function, mapping]
    for each in found:
        each.wanted = each.wanted and settings.delivers_alerts
    return found


def _queues(settings: Settings, clients: Clients) -> tuple[Queue, Queue]:
    """The dead-letter queue, and the queue to which the topic sends each alert."""
    tells = {
        "Sid": "FraudTopicTells",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:SourceArn": settings.arn("sns", fraud_topic_name(settings))}},
    }
    return queue_of_a_function(
        settings,
        clients,
        _PART,
        webhook_queue_name(settings),
        webhook_failures_queue_name(settings),
        tells,
        visibility_seconds=VISIBILITY_SECONDS,
        attempts=ATTEMPTS,
    )


def _function(settings: Settings, clients: Clients, zip_bytes: Callable[[], bytes]) -> Function:
    return lambda_function(
        settings,
        clients,
        _PART,
        webhook_function_name(settings),
        zip_bytes,
        role="webhook",
        handler=HANDLER,
        description=DESCRIPTION,
        memory_mb=MEMORY_MB,
        timeout_seconds=TIMEOUT_SECONDS,
        environment=function_environment(settings),
    )


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
