"""The dashboard: monitoring/dashboard.json, with names filled in, as a CloudWatch dashboard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, ClassVar

from infrastructure.remedies import is_not_found
from infrastructure.resource import Properties, Remains, Resource
from infrastructure.settings import Settings

BODY = Path(__file__).with_name("dashboard.json")


def dashboard_body(settings: Settings, alarm_arns: list[str], workgroup: str) -> dict[str, Any]:
    """The body of the dashboard; its alarm widget shows these alarms."""
    values = {
        "region": settings.region,
        "stream_name": settings.stream_name,
        "function_name": settings.function_name,
        "function_log_group": settings.function_log_group,
        "on_failure_queue_name": settings.on_failure_queue_name,
        "glue_job_name": settings.glue_job_name,
        "metrics_namespace": settings.metrics_namespace,
        "workgroup": workgroup,
        "alarm_arns": '", "'.join(alarm_arns),  # one string of the file becomes several
    }
    body: dict[str, Any] = json.loads(Template(BODY.read_text(encoding="utf-8")).substitute(values))
    return body


@dataclass(kw_only=True, eq=False)
class Dashboard(Resource):
    """A CloudWatch dashboard."""

    type: ClassVar[str] = "AWS::CloudWatch::Dashboard"

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

    def delete(self) -> Remains | None:
        try:
            self._cloudwatch.delete_dashboards(DashboardNames=[self.name])
        except self._cloudwatch.exceptions.ClientError as error:
            if not is_not_found(error):
                raise
        return None

    @property
    def _cloudwatch(self) -> Any:
        return self.clients("cloudwatch")
