"""CloudWatch alarms and dashboards, as the planner sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from infrastructure.aws.tags import tag_dict, tag_list
from infrastructure.planning.aws_errors import is_not_found
from infrastructure.planning.resource import DeletionPending, Properties, Resource

# PutMetricAlarm's parameters. An alarm has either Metrics (metric math) or the parameters of a single metric.
_PARAMETERS = (
    "AlarmDescription",
    "ActionsEnabled",
    "AlarmActions",
    "OKActions",
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "Period",
    "Metrics",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
)
# Its other parameters. PutMetricAlarm replaces the whole alarm, so each put takes them off again.
_LEFT_UNSET = (
    "InsufficientDataActions",
    "ExtendedStatistic",
    "Unit",
    "EvaluateLowSampleCountPercentile",
    "ThresholdMetricId",
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
)


_COMPOSITE_PARAMETERS = ("AlarmDescription", "ActionsEnabled", "AlarmActions", "OKActions", "AlarmRule")
_COMPOSITE_LEFT_UNSET = ("InsufficientDataActions", "ActionsSuppressor", "ActionConfiguration")


@dataclass(kw_only=True, eq=False)
class _AnyAlarm(Resource):
    """What both kinds of alarms share. Compared are its settings; its state (OK, ALARM) is no property.

    kind: as DescribeAlarms calls it; parameters: of the call that puts it; left_unset: those of them that it takes off.
    """

    kind: ClassVar[Literal["MetricAlarm", "CompositeAlarm"]]
    parameters: ClassVar[tuple[str, ...]]
    left_unset: ClassVar[tuple[str, ...]]

    @property
    def unset(self) -> Properties:
        return dict.fromkeys(self.left_unset)

    def read(self) -> Properties | None:
        alarm = self._described()
        if alarm is None:
            return None
        tags = self._cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
        return {name: alarm.get(name) for name in self.parameters} | {
            **{name: alarm.get(name) or None for name in self.left_unset},
            "Tags": tag_dict(tags),
            "Arn": alarm["AlarmArn"],
        }

    def create(self, properties: Properties) -> None:
        self._put_with(properties, Tags=tag_list(properties["Tags"]))

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        if changed - {"Tags"}:
            self._put_with(properties)  # a put replaces the whole alarm, and ignores the tags of an existing one
        if "Tags" in changed and (alarm := self._described()):
            self._cloudwatch.tag_resource(ResourceARN=alarm["AlarmArn"], Tags=tag_list(properties["Tags"]))

    def delete(self) -> DeletionPending | None:
        self._cloudwatch.delete_alarms(AlarmNames=[self.name])  # no error if it is gone already
        return None

    def _described(self) -> dict[str, Any] | None:
        answer = self._cloudwatch.describe_alarms(AlarmNames=[self.name], AlarmTypes=[self.kind])
        return next(iter(answer[f"{self.kind}s"]), None)

    def _put_with(self, properties: Properties, **options: Any) -> None:
        parameters = {name: properties[name] for name in self.parameters if properties.get(name) is not None}
        self._put(AlarmName=self.name, **parameters, **options)

    def _put(self, **parameters: Any) -> None:
        raise NotImplementedError

    @property
    def _cloudwatch(self) -> Any:
        return self.clients("cloudwatch")


@dataclass(kw_only=True, eq=False)
class Alarm(_AnyAlarm):
    """A metric alarm."""

    type: ClassVar[str] = "AWS::CloudWatch::Alarm"
    permissions: ClassVar[str] = (
        "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource cloudwatch:PutMetricAlarm "
        "cloudwatch:TagResource"
    )
    unordered: ClassVar[frozenset[str]] = frozenset({"AlarmActions", "OKActions", "Dimensions", "Metrics"})
    kind = "MetricAlarm"
    parameters = _PARAMETERS
    left_unset = _LEFT_UNSET

    def read(self) -> Properties | None:
        found = super().read()
        return found and found | {"Metrics": [_as_put(query) for query in found["Metrics"] or []] or None}

    def _put(self, **parameters: Any) -> None:
        self._cloudwatch.put_metric_alarm(**parameters)


@dataclass(kw_only=True, eq=False)
class CompositeAlarm(_AnyAlarm):
    """An alarm on other alarms. It exists after them, and is removed before them."""

    type: ClassVar[str] = "AWS::CloudWatch::CompositeAlarm"
    permissions: ClassVar[str] = (
        "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource cloudwatch:PutCompositeAlarm "
        "cloudwatch:TagResource"
    )
    unordered: ClassVar[frozenset[str]] = frozenset({"AlarmActions", "OKActions"})
    kind = "CompositeAlarm"
    parameters = _COMPOSITE_PARAMETERS
    left_unset = _COMPOSITE_LEFT_UNSET

    def _put(self, **parameters: Any) -> None:
        self._cloudwatch.put_composite_alarm(**parameters)


def _as_put(query: dict[str, Any]) -> dict[str, Any]:
    """A metric query without the fields that CloudWatch adds."""
    return {name: value for name, value in query.items() if value not in (None, "", [])}


@dataclass(kw_only=True, eq=False)
class Dashboard(Resource):
    """A CloudWatch dashboard."""

    type: ClassVar[str] = "AWS::CloudWatch::Dashboard"
    permissions: ClassVar[str] = "cloudwatch:DeleteDashboards cloudwatch:GetDashboard cloudwatch:PutDashboard"

    def read(self) -> Properties | None:
        try:
            found = self._cloudwatch.get_dashboard(DashboardName=self.name)
        except self._cloudwatch.exceptions.ClientError as error:
            if is_not_found(error):
                return None
            raise
        return {"DashboardBody": json.loads(found["DashboardBody"])}

    def create(self, properties: Properties) -> None:
        self._cloudwatch.put_dashboard(DashboardName=self.name, DashboardBody=json.dumps(properties["DashboardBody"]))

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.create(properties)

    def delete(self) -> DeletionPending | None:
        try:
            self._cloudwatch.delete_dashboards(DashboardNames=[self.name])
        except self._cloudwatch.exceptions.ClientError as error:
            if not is_not_found(error):
                raise
        return None

    @property
    def _cloudwatch(self) -> Any:
        return self.clients("cloudwatch")
