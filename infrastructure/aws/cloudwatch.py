"""CloudWatch alarms and dashboards, as the planner sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

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


@dataclass(kw_only=True, eq=False)
class Alarm(Resource):
    """A metric alarm. Compared are its settings; its state (OK, ALARM) is no property."""

    type: ClassVar[str] = "AWS::CloudWatch::Alarm"
    permissions: ClassVar[str] = (
        "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource cloudwatch:PutMetricAlarm "
        "cloudwatch:TagResource"
    )
    unordered: ClassVar[frozenset[str]] = frozenset({"AlarmActions", "OKActions", "Dimensions", "Metrics"})

    @property
    def unset(self) -> Properties:
        return dict.fromkeys(_LEFT_UNSET)

    def read(self) -> Properties | None:
        found = self._cloudwatch.describe_alarms(AlarmNames=[self.name], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not found:
            return None
        alarm, arn = found[0], found[0]["AlarmArn"]
        tags = self._cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]
        return {name: alarm.get(name) for name in _PARAMETERS} | {
            **{name: alarm.get(name) or None for name in _LEFT_UNSET},
            "Metrics": [_as_put(query) for query in alarm.get("Metrics", [])] or None,
            "Tags": tag_dict(tags),
            "Arn": arn,
        }

    def create(self, properties: Properties) -> None:
        self._put(properties, Tags=tag_list(properties["Tags"]))

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        if changed - {"Tags"}:
            self._put(properties)  # PutMetricAlarm ignores the tags of an existing alarm
        if "Tags" in changed:
            arn = self._cloudwatch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"][0]["AlarmArn"]
            self._cloudwatch.tag_resource(ResourceARN=arn, Tags=tag_list(properties["Tags"]))

    def delete(self) -> DeletionPending | None:
        self._cloudwatch.delete_alarms(AlarmNames=[self.name])  # no error if it is gone already
        return None

    @property
    def _cloudwatch(self) -> Any:
        return self.clients("cloudwatch")

    def _put(self, properties: Properties, **options: Any) -> None:
        parameters = {name: properties[name] for name in _PARAMETERS if properties.get(name) is not None}
        self._cloudwatch.put_metric_alarm(AlarmName=self.name, **parameters, **options)


_COMPOSITE_PARAMETERS = ("AlarmDescription", "ActionsEnabled", "AlarmActions", "OKActions", "AlarmRule")
_COMPOSITE_LEFT_UNSET = ("InsufficientDataActions", "ActionsSuppressor", "ActionConfiguration")


@dataclass(kw_only=True, eq=False)
class CompositeAlarm(Resource):
    """An alarm on other alarms. It exists after them, and is removed before them."""

    type: ClassVar[str] = "AWS::CloudWatch::CompositeAlarm"
    permissions: ClassVar[str] = (
        "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource cloudwatch:PutCompositeAlarm "
        "cloudwatch:TagResource"
    )
    unordered: ClassVar[frozenset[str]] = frozenset({"AlarmActions", "OKActions"})

    @property
    def unset(self) -> Properties:
        return dict.fromkeys(_COMPOSITE_LEFT_UNSET)

    def read(self) -> Properties | None:
        asked = self._cloudwatch.describe_alarms(AlarmNames=[self.name], AlarmTypes=["CompositeAlarm"])
        found = asked["CompositeAlarms"]
        if not found:
            return None
        alarm, arn = found[0], found[0]["AlarmArn"]
        tags = self._cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]
        return {name: alarm.get(name) for name in _COMPOSITE_PARAMETERS} | {
            **{name: alarm.get(name) or None for name in _COMPOSITE_LEFT_UNSET},
            "Tags": tag_dict(tags),
            "Arn": arn,
        }

    def create(self, properties: Properties) -> None:
        self._put(properties, Tags=tag_list(properties["Tags"]))

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        if changed - {"Tags"}:
            self._put(properties)  # it replaces the whole alarm, but for its tags
        if "Tags" in changed:
            asked = self._cloudwatch.describe_alarms(AlarmNames=[self.name], AlarmTypes=["CompositeAlarm"])
            arn = asked["CompositeAlarms"][0]["AlarmArn"]
            self._cloudwatch.tag_resource(ResourceARN=arn, Tags=tag_list(properties["Tags"]))

    def delete(self) -> DeletionPending | None:
        self._cloudwatch.delete_alarms(AlarmNames=[self.name])  # no error if it is gone already
        return None

    @property
    def _cloudwatch(self) -> Any:
        return self.clients("cloudwatch")

    def _put(self, properties: Properties, **options: Any) -> None:
        parameters = {name: properties[name] for name in _COMPOSITE_PARAMETERS}
        self._cloudwatch.put_composite_alarm(AlarmName=self.name, **parameters, **options)


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
