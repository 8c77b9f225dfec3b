"""Trail, log groups and what is counted from them, broken one setting at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.logs.models import logs_backends

from infrastructure.planning.compare import ABSENT
from tests.provisioning.mutations.mutation import (
    OTHER,
    ByHand,
    Mutation,
    Rows,
    WholeAccount,
)
from tests.provisioning.mutations.storage import elsewhere

TRAIL, GROUP, FILTER = "AWS::CloudTrail::Trail", "AWS::Logs::LogGroup", "AWS::Logs::MetricFilter"


def trail(**changed: Any) -> ByHand:
    return lambda a: a.client("cloudtrail").update_trail(Name=a.settings.trail_name, **changed)


def trail_elsewhere(a: WholeAccount) -> None:
    bucket = elsewhere(a)
    trail(S3BucketName=bucket)(a)


Selectors = list[dict[str, Any]]


def selectors(edit: Callable[[Selectors], object]) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        of = {"TrailName": a.settings.trail_name}
        found = a.client("cloudtrail").get_event_selectors(**of)["AdvancedEventSelectors"]
        edit(found)
        a.client("cloudtrail").put_event_selectors(**of, AdvancedEventSelectors=found)

    return by_hand


def named(found: Selectors, name: str) -> dict[str, Any]:
    return next(each for each in found if each["Name"] == name)


def narrow(name: str, field: str, *values: str) -> Callable[[Selectors], object]:
    return lambda found: named(found, name)["FieldSelectors"].append({"Field": field, "Equals": list(values)})


def leave_out(name: str, field: str, operator: str, part: str) -> Callable[[Selectors], object]:
    """Take one value off a field of a selector."""

    def edit(found: Selectors) -> None:
        selected = next(each for each in named(found, name)["FieldSelectors"] if each["Field"] == field)
        selected[operator] = [value for value in selected[operator] if part not in value]

    return edit


def logs(a: WholeAccount) -> Any:
    return a.client("logs")


def copy_log(account: str) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        logs_backends[account][a.settings.region].create_log_group("siem", {})
        logs(a).put_subscription_filter(
            logGroupName=a.settings.function_log_group,
            filterName="siem",
            filterPattern="",
            destinationArn=f"arn:aws:logs:{a.settings.region}:{account}:log-group:siem:*",
        )

    return by_hand


def copy_no_more(a: WholeAccount) -> None:
    logs(a).delete_subscription_filter(logGroupName=a.settings.function_log_group, filterName="siem")
    for account in (OTHER, a.settings.account_id):
        logs_backends[account][a.settings.region].groups.pop("siem", None)


def count(of: str = "stream", **changed: Any) -> ByHand:
    """Put the filter that counts readers of the stream, or of the tokenisation keys, anew."""

    def by_hand(a: WholeAccount) -> None:
        group, name = f"/aws/cloudtrail/{a.settings.trail_name}", f"{a.settings.prefix}-{of}-reads-by-others"
        (found,) = logs(a).describe_metric_filters(logGroupName=group, filterNamePrefix=name)["metricFilters"]
        pattern = changed.get("pattern", lambda text: text)(found["filterPattern"])
        metrics = [found["metricTransformations"][0] | changed.get("metric", {})]
        count_nothing(a, of)  # moto would keep the former one too
        logs(a).put_metric_filter(
            logGroupName=group, filterName=name, filterPattern=pattern, metricTransformations=metrics
        )

    return by_hand


def count_nothing(a: WholeAccount, of: str = "stream") -> None:
    group, name = f"/aws/cloudtrail/{a.settings.trail_name}", f"{a.settings.prefix}-{of}-reads-by-others"
    logs(a).delete_metric_filter(logGroupName=group, filterName=name)


_TRAIL_DATA = "trail-objects trail-stream-readers trail-audit-reads"
_TRAIL_ALL = (
    f"{_TRAIL_DATA} trail-on trail-management-events trail-encryption trail-validation trail-place trail-log-group"
)

AUDIT: Rows = {
    "the trail stopped": Mutation(
        TRAIL,
        "IsLogging",
        lambda a: a.client("cloudtrail").stop_logging(Name=a.settings.trail_name),
        "trail-on",
        False,
        True,
    ),
    "the trail deleted": Mutation(
        TRAIL,
        "IsLogging",
        lambda a: a.client("cloudtrail").delete_trail(Name=a.settings.trail_name),
        _TRAIL_ALL,
        ABSENT,
        True,
    ),
    "the trail's validation off": Mutation(
        TRAIL,
        "EnableLogFileValidation",
        trail(EnableLogFileValidation=False),
        "trail-validation",
        False,
        True,
    ),
    "the trail cut to one region": Mutation(
        TRAIL, "IsMultiRegionTrail", trail(IsMultiRegionTrail=False), "trail-on", False, True
    ),
    "the trail without IAM's events": Mutation(
        TRAIL,
        "IncludeGlobalServiceEvents",
        trail(IncludeGlobalServiceEvents=False, IsMultiRegionTrail=False),
        "trail-on",
        False,
        True,
    ),
    "the trail encrypted with another account's key": Mutation(
        TRAIL, "KmsKeyId", trail(KmsKeyId=f"arn:aws:kms:eu-central-1:{OTHER}:key/x"), "trail-encryption"
    ),
    "the trail's files lie elsewhere": Mutation(
        TRAIL, "S3KeyPrefix", trail(S3KeyPrefix="elsewhere"), "trail-place", "elsewhere", ABSENT
    ),
    "the trail's bucket is another": Mutation(TRAIL, "S3BucketName", trail_elsewhere, "trail-place", "elsewhere"),
    "the trail writes to another account's log group": Mutation(
        TRAIL,
        "CloudWatchLogsLogGroupArn",
        lambda a: trail(
            CloudWatchLogsLogGroupArn=f"arn:aws:logs:eu-central-1:{OTHER}:log-group:x:*",
            CloudWatchLogsRoleArn=a.settings.role_arn("cloudtrail"),
        )(a),
        "trail-log-group",
    ),
    "the trail writes under another role": Mutation(
        TRAIL,
        "CloudWatchLogsRoleArn",
        lambda a: trail(
            CloudWatchLogsLogGroupArn=a.settings.arn("logs", f"log-group:/aws/cloudtrail/{a.settings.trail_name}:*"),
            CloudWatchLogsRoleArn=a.settings.role_arn("glue"),
        )(a),
    ),
    "the trail's data events off": Mutation(
        TRAIL,
        "AdvancedEventSelectors[Objects of the lake]",
        selectors(lambda found: found.__delitem__(slice(1, None))),
        _TRAIL_DATA,
        ABSENT,
    ),
    "the trail records management events that change something only": Mutation(
        TRAIL,
        "AdvancedEventSelectors[Management events].FieldSelectors",
        selectors(narrow("Management events", "readOnly", "false")),
        "trail-management-events",
    ),
    "the trail records writes of objects only": Mutation(
        TRAIL,
        "AdvancedEventSelectors[Objects of the lake].FieldSelectors",
        selectors(narrow("Objects of the lake", "readOnly", "false")),
        "trail-objects",
    ),
    "the trail leaves raw out": Mutation(
        TRAIL,
        "AdvancedEventSelectors[Objects of the lake].FieldSelectors",
        selectors(leave_out("Objects of the lake", "resources.ARN", "StartsWith", "-raw-")),
        "trail-objects",
    ),
    "the trail leaves subscriptions to shards out": Mutation(
        TRAIL,
        "AdvancedEventSelectors[Readers of the stream].FieldSelectors",
        selectors(leave_out("Readers of the stream", "eventName", "Equals", "SubscribeToShard")),
        "trail-stream-readers",
    ),
    "the trail leaves reads of the audit bucket out": Mutation(
        TRAIL,
        "AdvancedEventSelectors[Reads of the audit bucket]",
        selectors(lambda found: found.remove(named(found, "Reads of the audit bucket"))),
        "trail-audit-reads",
        ABSENT,
    ),
    "a tag of the trail changed": Mutation(
        TRAIL,
        "Tags.Environment",
        lambda a: a.client("cloudtrail").add_tags(
            ResourceId=a.settings.arn("cloudtrail", f"trail/{a.settings.trail_name}"),
            TagsList=[{"Key": "Environment", "Value": "prod"}],
        ),
        old="prod",
        new="dev",
    ),
    # --- Log groups ---
    "log kept for ever": Mutation(
        GROUP,
        "RetentionInDays",
        lambda a: logs(a).delete_retention_policy(logGroupName=a.settings.function_log_group),
        old=ABSENT,
        new=365,
    ),
    "log kept for a month": Mutation(
        GROUP,
        "RetentionInDays",
        lambda a: logs(a).put_retention_policy(logGroupName=a.settings.function_log_group, retentionInDays=30),
        "log-retention",
        30,
        365,
    ),
    "the job's log kept for ever": Mutation(
        GROUP,
        "RetentionInDays",
        lambda a: logs(a).delete_retention_policy(logGroupName=f"/aws-glue/jobs/logs-v2-{a.settings.prefix}"),
        old=ABSENT,
        new=365,
    ),
    "log encrypted with another account's key": Mutation(
        GROUP,
        "KmsKeyId",
        lambda a: logs(a).associate_kms_key(
            logGroupName=a.settings.function_log_group, kmsKeyId=f"arn:aws:kms:eu-central-1:{OTHER}:key/x"
        ),
        "log-encryption",
    ),
    "a tag of a log group changed": Mutation(
        GROUP,
        "Tags.Environment",
        lambda a: logs(a).tag_resource(
            resourceArn=a.settings.arn("logs", f"log-group:{a.settings.function_log_group}"),
            tags={"Environment": "prod"},
        ),
        old="prod",
        new="dev",
    ),
    "a log copied to another account": Mutation(
        GROUP, "", copy_log(OTHER), "log-copies", foreign="a subscription siem to", undo=copy_no_more
    ),
    "a log copied within the account": Mutation(
        GROUP, "", copy_log("123456789012"), foreign="a subscription siem to", undo=copy_no_more
    ),
    # --- What counts readers of the stream ---
    "the count of foreign stream reads removed": Mutation(
        FILTER,
        "FilterPattern",
        count_nothing,
        "stream-reads-counted",
        ABSENT,
    ),
    "subscriptions to shards are not counted": Mutation(
        FILTER,
        "FilterPattern",
        count(pattern=lambda text: text.replace(' || ($.eventName = "SubscribeToShard")', "")),
        "stream-reads-counted",
        undo=count_nothing,
    ),
    "an administrator's reads are not counted": Mutation(
        FILTER,
        "FilterPattern",
        count(pattern=lambda text: text.replace(" }", ' && ($.userIdentity.arn != "arn:aws:iam::1:user/a") }')),
        "stream-reads-counted",
        undo=count_nothing,
    ),
    "stream reads count nothing": Mutation(
        FILTER, "MetricValue", count(metric={"metricValue": "0"}), "stream-reads-counted", "0", "1", undo=count_nothing
    ),
    "an administrator's reads of the tokenisation keys are not counted": Mutation(
        FILTER,
        "FilterPattern",
        count(
            "token-key",
            pattern=lambda text: text.replace(" }", ' && ($.userIdentity.arn != "arn:aws:iam::1:user/a") }'),
        ),
        "token-key-reads-counted",
        undo=lambda a: count_nothing(a, "token-key"),
    ),
    "the count of foreign reads of the tokenisation keys removed": Mutation(
        FILTER, "FilterPattern", lambda a: count_nothing(a, "token-key"), "token-key-reads-counted", ABSENT
    ),
    "stream reads count under another name": Mutation(
        FILTER, "MetricName", count(metric={"metricName": "Nothing"}), old="Nothing", undo=count_nothing
    ),
    "stream reads count elsewhere": Mutation(
        FILTER, "MetricNamespace", count(metric={"metricNamespace": "Elsewhere"}), old="Elsewhere", undo=count_nothing
    ),
}
