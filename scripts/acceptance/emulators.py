"""Where the two emulators that provisioning is tried on differ, and who is right by AWS's documents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """left: what a plan on ministack still shows after an apply because of it, as type and property; "" for nothing."""

    what: str
    moto: str
    ministack: str
    aws: str
    left: tuple[str, str] = ("", "")


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "shard metrics of a stream",
        "kept",
        "EnableEnhancedMonitoring answers and keeps nothing",
        "kept: DescribeStreamSummary, EnhancedMonitoring",
        ("AWS::Kinesis::Stream", "ShardLevelMetrics"),
    ),
    Difference(
        "ExecutionProperty of a Glue job",
        "returned",
        "left out by GetJob",
        "returned: Glue API, Job",
        ("AWS::Glue::Job", "ExecutionProperty"),
    ),
    Difference(
        "ExecutionClass of a Glue job",
        "returned",
        "left out by GetJob",
        "returned: Glue API, Job",
        ("AWS::Glue::Job", "ExecutionClass"),
    ),
    Difference(
        "metric math of an alarm",
        "returned",
        "left out by DescribeAlarms",
        "returned: CloudWatch API, MetricAlarm",
        ("AWS::CloudWatch::Alarm", "Metrics"),
    ),
    Difference(
        "a second event source mapping of the same stream and function",
        "taken; refused by the embedded stack, which mends moto there",
        "taken",
        "refused with ResourceConflictException",
    ),
    Difference(
        "a Deny with a condition in a bucket's policy",
        "enforced whatever the condition says",
        "not enforced unless AUTH=true",
        "enforced where the condition holds",
    ),
    Difference(
        "the period of a key's rotation",
        "dropped",
        "kept",
        "kept: GetKeyRotationStatus, RotationPeriodInDays",
    ),
    Difference(
        "an operation or service that is not there",
        "a page of HTML, or NotImplementedError",
        "HTTP 400 without an error code",
        "no such thing",
    ),
)
