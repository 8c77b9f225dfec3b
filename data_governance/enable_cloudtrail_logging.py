"""The audit trail: who did what in the account, and who touched the lake's objects and the stream.

    python data_governance/enable_cloudtrail_logging.py        # make or mend the trail alone

One trail for all regions, with log file validation, encrypted with the audit key. It writes to the audit bucket (under
Object Lock) and to a log group, from which an alarm is counted. Besides management events (if
TRAIL_MANAGEMENT_EVENTS) it records data events:

- Every read and write of an object in the lake's buckets (PCI DSS 10.2.1.1). Of the audit bucket only the reads
  (10.2.1.3), because its writes are the trail's own.
- Who starts to read the stream, the one place that holds clear card numbers. Reading a shard needs an iterator or a
  subscription, so recording these two shows every reader. Recording each GetRecords would show no more and cost far
  more: the landing function alone makes one call a second on every shard.

Data events are billed by number. A batch writes two or three objects, so their number follows the batches, not the
transactions.
"""

from __future__ import annotations

from typing import Any

from infrastructure.aws.cloudtrail import Trail
from infrastructure.aws.logs import MetricFilter
from infrastructure.log_groups import log_group
from infrastructure.planning.resource import Clients, Resource
from infrastructure.references import (
    FOREIGN_STREAM_READS_METRIC,
    FOREIGN_TOKEN_KEY_READS_METRIC,
    bucket_policy_id,
    key_arn,
    role_id,
    trail_log_group,
)
from infrastructure.settings import Settings

LAKE = ("raw", "curated", "quarantine")
STREAM_READING_STARTS = ("GetShardIterator", "SubscribeToShard")
_PART = "cloudtrail"


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """Log group, trail, and the metrics that count who else reads the stream or the tokenisation keys."""
    group = log_group(settings, clients, _PART, trail_log_group(settings))
    trail = Trail(
        part=_PART,
        name=settings.trail_name,
        clients=clients,
        depends_on=(group.id, role_id(settings, "cloudtrail"), bucket_policy_id(settings, "audit")),
        properties={
            "S3BucketName": settings.bucket("audit"),
            "IncludeGlobalServiceEvents": True,
            "IsMultiRegionTrail": True,
            "EnableLogFileValidation": True,
            "KmsKeyId": key_arn(settings, "audit"),
            "CloudWatchLogsLogGroupArn": f"{settings.arn('logs', f'log-group:{group.name}')}:*",
            "CloudWatchLogsRoleArn": settings.role_arn("cloudtrail"),
            "AdvancedEventSelectors": event_selectors(settings),
            "IsLogging": True,
            "Tags": settings.all_tags,
        },
    )
    counted = {
        "stream-reads-by-others": (foreign_reads_pattern(settings), FOREIGN_STREAM_READS_METRIC),
        "token-key-reads-by-others": (foreign_key_reads_pattern(settings), FOREIGN_TOKEN_KEY_READS_METRIC),
    }
    filters = [
        MetricFilter(
            part=_PART,
            name=f"{settings.prefix}-{name}",
            clients=clients,
            log_group=group.name,
            depends_on=(group.id,),
            properties={
                "FilterPattern": pattern,
                "MetricNamespace": settings.metrics_namespace,
                "MetricName": metric,
                "MetricValue": "1",
            },
        )
        for name, (pattern, metric) in counted.items()
    ]
    return [group, trail, *filters]


def event_selectors(settings: Settings) -> list[dict[str, Any]]:
    """What the trail records."""
    objects = [f"{settings.bucket_arn(purpose)}/" for purpose in LAKE]
    management = [_selector("Management events", _equals("eventCategory", "Management"))]
    return [
        *(management if settings.trail_management_events else []),
        _selector("Objects of the lake", *_data("AWS::S3::Object"), _starts_with("resources.ARN", *objects)),
        _selector(
            "Reads of the audit bucket",
            *_data("AWS::S3::Object"),
            _equals("readOnly", "true"),
            _starts_with("resources.ARN", f"{settings.bucket_arn('audit')}/"),
        ),
        _selector(
            "Readers of the stream",
            *_data("AWS::Kinesis::Stream"),
            _equals("eventName", *STREAM_READING_STARTS),
            _equals("resources.ARN", settings.stream_arn),
        ),
        _selector(
            "Consumers of the stream",
            *_data("AWS::Kinesis::StreamConsumer"),
            _starts_with("resources.ARN", f"{settings.stream_arn}/consumer/"),
        ),
    ]


def foreign_reads_pattern(settings: Settings) -> str:
    """The filter for the trail's events in which anybody but the landing function starts to read the stream."""
    sessions = _function_sessions(settings)
    events = " || ".join(f'($.eventName = "{name}")' for name in STREAM_READING_STARTS)
    return (
        f'{{ ($.eventSource = "kinesis.amazonaws.com") && ({events}) && ($.userIdentity.arn != "{sessions}") '
        f'&& ($.resources[0].ARN = "{settings.stream_arn}*") }}'
    )


def foreign_key_reads_pattern(settings: Settings) -> str:
    """The filter for the trail's events in which anybody but the landing function asks for the tokenisation keys.

    Refused requests count too. BatchGetSecretValue is recorded as a GetSecretValue of each secret.
    """
    return (
        '{ ($.eventSource = "secretsmanager.amazonaws.com") && ($.eventName = "GetSecretValue") '
        f'&& ($.userIdentity.arn != "{_function_sessions(settings)}") '
        f'&& ($.requestParameters.secretId = "*{settings.tokenization_secret_name}*") }}'
    )


def _function_sessions(settings: Settings) -> str:
    role = settings.role_name("lambda")
    return f"arn:{settings.partition}:sts::{settings.account_id}:assumed-role/{role}/*"


def _selector(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"Name": name, "FieldSelectors": list(fields)}


def _data(type_: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return _equals("eventCategory", "Data"), _equals("resources.type", type_)


def _equals(field: str, *values: str) -> dict[str, Any]:
    return {"Field": field, "Equals": list(values)}


def _starts_with(field: str, *values: str) -> dict[str, Any]:
    return {"Field": field, "StartsWith": list(values)}


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
