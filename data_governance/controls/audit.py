"""Controls on the trail, the log groups, the alarms and whom they reach."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from data_governance.controls.control import (
    ALARM,
    COMPOSITE_ALARM,
    LOG_GROUP,
    METRIC_FILTER,
    SUBSCRIPTION,
    TOPIC,
    TRAIL,
    Control,
    Severity,
    Subject,
    own_key,
    unless,
)
from data_governance.controls.policy_meaning import account_of, denies, let_in
from infrastructure.settings import Settings

_YEAR_DAYS = 365
_LAKE = ("raw", "curated", "quarantine")
_READING_STARTS = ("GetShardIterator", "SubscribeToShard")
_OPERATORS = ("Equals", "StartsWith", "EndsWith", "NotEquals", "NotStartsWith", "NotEndsWith")


def _selectors(trail: Subject) -> list[dict[str, Mapping[str, list[str]]]]:
    """Field -> operator -> values, of each selector."""
    return [
        {
            part["Field"]: {name: part[name] for name in _OPERATORS if part.get(name)}
            for part in selector["FieldSelectors"]
        }
        for selector in trail["AdvancedEventSelectors"]
    ]


def _management(trail: Subject) -> list[str]:
    whole = any(selector == {"eventCategory": {"Equals": ["Management"]}} for selector in _selectors(trail))
    return unless(whole, "does not record all management events")


def _records(trail: Subject, type_: str, arn: str, allowed: Mapping[str, Any]) -> bool:
    """Whether a selector records data events of this ARN, narrowed by nothing but what is allowed."""
    for selector in _selectors(trail):
        rest = {name: value for name, value in selector.items() if name not in ("resources.ARN", *allowed)}
        if rest != {"eventCategory": {"Equals": ["Data"]}, "resources.type": {"Equals": [type_]}}:
            continue
        if not all(_leaves(selector.get(name), wanted) for name, wanted in allowed.items()):
            continue
        named = selector.get("resources.ARN")
        if named is None or _takes(named, arn):
            return True
    return False


def _leaves(field: Mapping[str, list[str]] | None, wanted: tuple[str, ...]) -> bool:
    """Whether a field that may narrow a selector leaves these values in."""
    return field is None or (set(field) == {"Equals"} and set(wanted) <= set(field["Equals"]))


def _takes(named: Mapping[str, list[str]], arn: str) -> bool:
    if set(named) - {"Equals", "StartsWith"}:
        return False
    return arn in named.get("Equals", []) or any(arn.startswith(each) for each in named.get("StartsWith", []))


def _objects(trail: Subject) -> Iterator[str]:
    for purpose in _LAKE:
        if not _records(trail, "AWS::S3::Object", f"{trail.settings.bucket_arn(purpose)}/", {}):
            yield f"does not record every read and write of {purpose}"


def _reads_of_audit(trail: Subject) -> list[str]:
    arn = f"{trail.settings.bucket_arn('audit')}/"
    return unless(
        _records(trail, "AWS::S3::Object", arn, {"readOnly": ("true",)}), "does not record reads of the audit"
    )


def _stream_readers(trail: Subject) -> Iterator[str]:
    arn = trail.settings.stream_arn
    if not _records(trail, "AWS::Kinesis::Stream", arn, {"eventName": _READING_STARTS}):
        yield "does not record who starts to read the stream"
    if not _records(trail, "AWS::Kinesis::StreamConsumer", f"{arn}/consumer/", {}):
        yield "does not record the stream's consumers"


def _place(trail: Subject) -> Iterator[str]:
    if trail["S3BucketName"] != trail.settings.bucket("audit"):
        yield f"writes to {trail['S3BucketName']}"
    if trail["S3KeyPrefix"]:
        yield f"writes below {trail['S3KeyPrefix']}"


def _to_logs(trail: Subject) -> list[str]:
    group = trail["CloudWatchLogsLogGroupArn"]
    return unless(group and account_of(str(group)) == trail.account, f"its log goes to {group or 'no log group'}")


def _copies(group: Subject) -> list[str]:
    return [f"is copied to {arn}" for arn in group["Subscriptions"] if account_of(arn) != group.account]


def _counts_strangers(metric: Subject) -> Iterator[str]:
    """Every way to start reading is counted, and nobody but the function's role is left out."""
    pattern = str(metric["FilterPattern"])
    for name in _READING_STARTS if "stream" in metric.name else ("GetSecretValue",):
        if f'"{name}"' not in pattern:
            yield f"does not count {name}"
    role = f"assumed-role/{metric.settings.role_name('lambda')}/*"
    left_out = re.findall(r'!= *"([^"]*)"', pattern)
    if len(left_out) != 1 or not left_out[0].endswith(role):
        yield f"leaves out {', '.join(left_out) or 'nobody'}"
    if metric["MetricValue"] != "1" or metric["OnTransformedLogs"] or metric["FieldSelection"]:
        yield "does not count 1 for each"


def _topic_tls(topic: Subject) -> list[str]:
    arn = topic.settings.arn("sns", topic.name)
    refuses = denies(topic["Policy"], "sns:Publish", [arn], {"Bool": {"aws:SecureTransport": "false"}})
    return unless(refuses, "no statement denies everything without TLS")


def _plain_subscribers(topic: Subject) -> list[str]:
    return [f"{each['Endpoint']} is told without TLS" for each in topic["Subscribers"] if each["Protocol"] == "http"]


def _acts(alarm: Subject) -> list[str]:
    return unless(alarm["ActionsEnabled"] and alarm["AlarmActions"], "acts on nothing")


def _records_management(settings: Settings) -> bool:
    return settings.trail_management_events


_TRAIL = "aws cloudtrail get-trail --name TRAIL"
_SELECTORS = "aws cloudtrail get-event-selectors --trail-name TRAIL"
_GROUP = "aws logs describe-log-groups --log-group-name-prefix GROUP"
_TOPIC = "aws sns get-topic-attributes --topic-arn TOPIC_ARN"

AUDIT: tuple[Control, ...] = (
    Control(
        "trail-on",
        "10.2.1",
        ("CloudTrail.1",),
        "a trail logs in all regions",
        (TRAIL,),
        Severity.CRITICAL,
        "What happened meanwhile is recorded nowhere: find out who stopped it.",
        "aws cloudtrail get-trail-status --name TRAIL",
        lambda trail: (
            unless(trail["IsLogging"], "is stopped")
            + unless(trail["IsMultiRegionTrail"] and trail["IncludeGlobalServiceEvents"], "leaves regions or IAM out")
        ),
    ),
    Control(
        "trail-management-events",
        "10.2.1.2",
        ("CloudTrail.1",),
        "the trail records all management events",
        (TRAIL,),
        Severity.HIGH,
        "",
        _SELECTORS,
        _management,
        asked=_records_management,
    ),
    Control(
        "trail-objects",
        "10.2.1.1",
        ("S3.22", "S3.23"),
        "the trail records reads and writes of the lake's objects",
        (TRAIL,),
        Severity.HIGH,
        "",
        _SELECTORS,
        _objects,
    ),
    Control(
        "trail-stream-readers",
        "10.2.1.1",
        (),
        "the trail records who starts to read the stream",
        (TRAIL,),
        Severity.HIGH,
        "",
        _SELECTORS,
        _stream_readers,
    ),
    Control(
        "trail-audit-reads",
        "10.2.1.3",
        (),
        "the trail records reads of the audit bucket",
        (TRAIL,),
        Severity.MEDIUM,
        "",
        _SELECTORS,
        _reads_of_audit,
    ),
    Control(
        "trail-encryption",
        "10.3.2",
        ("CloudTrail.2",),
        "the trail is encrypted with a customer key",
        (TRAIL,),
        Severity.MEDIUM,
        "",
        _TRAIL,
        own_key("KmsKeyId"),
    ),
    Control(
        "trail-validation",
        "10.3.4",
        ("CloudTrail.4",),
        "the trail's files are validated",
        (TRAIL,),
        Severity.MEDIUM,
        "",
        _TRAIL,
        lambda trail: unless(trail["EnableLogFileValidation"], "writes no digests"),
    ),
    Control(
        "trail-place",
        "10.3.3",
        (),
        "the trail writes to the locked audit bucket",
        (TRAIL,),
        Severity.HIGH,
        "",
        _TRAIL,
        _place,
    ),
    Control(
        "trail-log-group",
        "10.4.1.1",
        ("CloudTrail.5",),
        "the trail writes to a log group, from which alarms are counted",
        (TRAIL,),
        Severity.MEDIUM,
        "",
        _TRAIL,
        _to_logs,
    ),
    Control(
        "log-encryption",
        "3.5.1",
        ("CLOUDWATCH_LOG_GROUP_ENCRYPTED",),
        "log groups are encrypted with a customer key",
        (LOG_GROUP,),
        Severity.MEDIUM,
        "",
        _GROUP,
        own_key("KmsKeyId"),
    ),
    Control(
        "log-retention",
        "10.5.1",
        ("CloudWatch.16",),
        "log groups keep twelve months at least",
        (LOG_GROUP,),
        Severity.MEDIUM,
        "",
        _GROUP,
        lambda group: unless(
            (group["RetentionInDays"] or _YEAR_DAYS) >= _YEAR_DAYS, f"keeps {group['RetentionInDays']} days"
        ),
    ),
    Control(
        "log-copies",
        "10.3.1",
        (),
        "no log is copied to another account",
        (LOG_GROUP,),
        Severity.HIGH,
        "If it is the bank's own log collection, note it with the assessor.",
        "aws logs describe-subscription-filters --log-group-name GROUP",
        _copies,
        by_hand=True,
    ),
    Control(
        "stream-reads-counted",
        "10.4.1.1",
        (),
        "whoever but the function starts to read the stream is counted",
        (METRIC_FILTER,),
        Severity.HIGH,
        "",
        "aws logs describe-metric-filters --log-group-name GROUP",
        _counts_strangers,
        only=("stream-reads-by-others",),
    ),
    Control(
        "token-key-reads-counted",
        "10.4.1.1",
        (),
        "whoever but the function asks for the tokenisation keys is counted",
        (METRIC_FILTER,),
        Severity.HIGH,
        "",
        "aws logs describe-metric-filters --log-group-name GROUP",
        _counts_strangers,
        only=("token-key-reads-by-others",),
    ),
    Control(
        "alarm-actions",
        "10.7.2",
        ("CloudWatch.15", "CloudWatch.17"),
        "alarms act",
        (ALARM, COMPOSITE_ALARM),
        Severity.HIGH,
        "",
        "aws cloudwatch describe-alarms --alarm-names ALARM",
        _acts,
    ),
    Control(
        "alarm-delivery",
        "12.10.5",
        (),
        "no filter keeps alarms from those who are on call",
        (SUBSCRIPTION,),
        Severity.MEDIUM,
        "",
        "aws sns get-subscription-attributes --subscription-arn ARN",
        lambda each: unless(not each["FilterPolicy"] and not each["RedrivePolicy"], "has a filter or a redrive policy"),
    ),
    Control(
        "topic-encryption",
        "3.5.1",
        ("SNS.1",),
        "topics are encrypted with a customer key",
        (TOPIC,),
        Severity.MEDIUM,
        "",
        _TOPIC,
        own_key("KmsMasterKeyId"),
    ),
    Control(
        "topic-tls",
        "4.2.1",
        (),
        "topics refuse messages without TLS",
        (TOPIC,),
        Severity.MEDIUM,
        "",
        _TOPIC,
        _topic_tls,
    ),
    Control(
        "topic-subscribers",
        "4.2.1",
        (),
        "no alarm or alert is sent without TLS",
        (TOPIC,),
        Severity.MEDIUM,
        "aws sns unsubscribe --subscription-arn ARN",
        "aws sns list-subscriptions-by-topic --topic-arn TOPIC_ARN",
        _plain_subscribers,
        by_hand=True,
    ),
    Control(
        "topic-strangers",
        "7.2.1",
        ("SNS.4",),
        "nobody of another account may publish to a topic or subscribe to it",
        (TOPIC,),
        Severity.HIGH,
        "",
        _TOPIC,
        lambda topic: let_in(topic["Policy"], topic.account),
    ),
)
