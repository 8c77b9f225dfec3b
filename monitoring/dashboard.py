"""The CloudWatch dashboard: monitoring/dashboard.json with names filled in."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

from infrastructure.references import fraud_function_name, fraud_queue_name
from infrastructure.settings import Settings
from monitoring.cost_counts import worker_dpus

BODY = Path(__file__).with_name("dashboard.json")


def dashboard_body(settings: Settings, alarm_arns: list[str], workgroup: str) -> dict[str, Any]:
    """The body of the dashboard; its alarm widget shows these alarms."""
    values = {
        "region": settings.region,
        "stream_name": settings.stream_name,
        "function_name": settings.function_name,
        "function_log_group": settings.function_log_group,
        "on_failure_queue_name": settings.on_failure_queue_name,
        "fraud_function_name": fraud_function_name(settings),
        "fraud_queue_name": fraud_queue_name(settings),
        "glue_job_name": settings.glue_job_name,
        "glue_dpus": settings.glue_workers * worker_dpus(settings.glue_worker_type),
        "metrics_namespace": settings.metrics_namespace,
        "workgroup": workgroup,
        "alarm_arns": '", "'.join(alarm_arns),  # one string of the file becomes several
    }
    body: dict[str, Any] = json.loads(Template(BODY.read_text(encoding="utf-8")).substitute(values))
    return body
