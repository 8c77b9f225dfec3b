"""A log group and a metric filter of CloudWatch Logs, as the planner sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.resource import UNSUPPORTED, DeletionPending, Properties, Resource
from infrastructure.planning.waiting import PROPAGATION_SECONDS, retry_while


def _is_new_key(error: Exception) -> bool:
    return error_code(error) == "InvalidParameterException" and "KMS key" in str(error)


@dataclass(kw_only=True, eq=False)
class LogGroup(Resource):
    """A log group."""

    type: ClassVar[str] = "AWS::Logs::LogGroup"
    permissions: ClassVar[str] = (
        "logs:AssociateKmsKey logs:CreateLogGroup logs:DeleteLogGroup logs:DescribeLogGroups "
        "logs:DescribeSubscriptionFilters logs:ListTagsForResource logs:PutRetentionPolicy logs:TagResource"
    )

    def read(self) -> Properties | None:
        found = self._describe()
        if found is None:
            return None
        arn = found["arn"].removesuffix(":*")
        copies = self.readable(self._subscriptions)
        copied = copies is not UNSUPPORTED
        return {
            "RetentionInDays": found.get("retentionInDays"),
            "KmsKeyId": found.get("kmsKeyId"),
            "Tags": self.readable(lambda: self._logs.list_tags_for_resource(resourceArn=arn)["tags"]),
            "Arn": arn,
            "Subscriptions": [each["destinationArn"] for each in copies] if copied else copies,
            "Foreign": [_told(each) for each in copies] if copied else copies,
        }

    def create(self, properties: Properties) -> None:
        retry_while(
            _is_new_key,
            lambda: self._logs.create_log_group(
                logGroupName=self.name, kmsKeyId=properties["KmsKeyId"], tags=properties["Tags"]
            ),
            PROPAGATION_SECONDS,
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        logs = self._logs
        self.write_each(
            changed,
            properties,
            {
                "RetentionInDays": lambda days: logs.put_retention_policy(logGroupName=self.name, retentionInDays=days),
                "KmsKeyId": lambda key: logs.associate_kms_key(logGroupName=self.name, kmsKeyId=key),
                "Tags": self._tag,
            },
        )

    def delete(self) -> DeletionPending | None:
        try:
            self._logs.delete_log_group(logGroupName=self.name)
        except self._logs.exceptions.ResourceNotFoundException:
            return None
        return None

    @property
    def _logs(self) -> Any:
        return self.clients("logs")

    def _describe(self) -> dict[str, Any] | None:
        for page in self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self.name):
            for group in page["logGroups"]:
                if group["logGroupName"] == self.name:
                    found: dict[str, Any] = group
                    return found
        return None

    def _subscriptions(self) -> list[dict[str, Any]]:
        """Where the log is copied to, by the bank's own log collection perhaps."""
        pages = self._logs.get_paginator("describe_subscription_filters").paginate(logGroupName=self.name)
        return [each for page in pages for each in page["subscriptionFilters"]]

    def _tag(self, tags: dict[str, str]) -> None:
        found = self._describe() or {}
        self._logs.tag_resource(resourceArn=found["arn"].removesuffix(":*"), tags=tags)


def _told(subscription: dict[str, Any]) -> str:
    return f"a subscription {subscription['filterName']} to {subscription['destinationArn']}"


@dataclass(kw_only=True, eq=False)
class MetricFilter(Resource):
    """A CloudWatch Logs metric filter that adds 1 to one metric for each matching line."""

    type: ClassVar[str] = "AWS::Logs::MetricFilter"
    permissions: ClassVar[str] = "logs:DeleteMetricFilter logs:DescribeMetricFilters logs:PutMetricFilter"

    log_group: str

    @property
    def unset(self) -> Properties:
        return {
            "DefaultValue": None,
            "Dimensions": None,
            "Unit": None,
            "FurtherMetrics": [],
            "OnTransformedLogs": False,
            "FieldSelection": None,
        }

    def read(self) -> Properties | None:
        logs = self.clients("logs")
        try:
            found = logs.describe_metric_filters(logGroupName=self.log_group, filterNamePrefix=self.name)
        except logs.exceptions.ResourceNotFoundException:
            return None
        for each in found["metricFilters"]:
            if each["filterName"] == self.name:
                metric = each["metricTransformations"][0]
                return {
                    "FilterPattern": each.get("filterPattern"),
                    "MetricNamespace": metric["metricNamespace"],
                    "MetricName": metric["metricName"],
                    "MetricValue": metric["metricValue"],
                    "DefaultValue": metric.get("defaultValue"),
                    "Dimensions": metric.get("dimensions") or None,
                    "Unit": None if metric.get("unit") == "None" else metric.get("unit"),
                    "FurtherMetrics": [each["metricName"] for each in each["metricTransformations"][1:]],
                    "OnTransformedLogs": bool(each.get("applyOnTransformedLogs")),
                    "FieldSelection": each.get("fieldSelectionCriteria") or None,
                }
        return None

    def create(self, properties: Properties) -> None:
        self.clients("logs").put_metric_filter(
            logGroupName=self.log_group,
            filterName=self.name,
            filterPattern=properties["FilterPattern"],
            metricTransformations=[_transformation(properties)],
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.create(properties)

    def delete(self) -> DeletionPending | None:
        logs = self.clients("logs")
        try:
            logs.delete_metric_filter(logGroupName=self.log_group, filterName=self.name)
        except logs.exceptions.ResourceNotFoundException:
            return None
        return None


def _transformation(properties: Properties) -> dict[str, Any]:
    return {
        "metricNamespace": properties["MetricNamespace"],
        "metricName": properties["MetricName"],
        "metricValue": properties["MetricValue"],
    }
