"""A metric counted from the lines of a log group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.resource import Properties, Remains, Resource


@dataclass(kw_only=True, eq=False)
class MetricFilter(Resource):
    """A CloudWatch Logs metric filter with one metric, by 1 a matching line."""

    type: ClassVar[str] = "AWS::Logs::MetricFilter"

    log_group: str

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

    def delete(self) -> Remains | None:
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
