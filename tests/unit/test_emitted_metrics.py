"""What alarms and dashboard ask CloudWatch for is what is really emitted, dimension by dimension and in which unit.

CloudWatch keeps a metric under its exact set of dimensions: a question with one too few finds nothing, and no error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from data_governance.enable_cloudtrail_logging import resources as audit_trail
from data_governance.run_result import RunResult
from data_ingestion import process_transaction_lambda as function
from data_ingestion.deploy_transaction_lambda import function_environment
from data_processing import deploy_detect_fraud, detect_fraud_lambda
from data_processing.job_metrics import JobMetrics
from infrastructure.aws import clients
from infrastructure.function_runtime import forget
from infrastructure.local.account_metrics import AccountMetrics
from infrastructure.metrics import DRIFT_METRIC, REPEATED_IDS_METRIC, TOTALS_OFF_METRIC
from infrastructure.settings import Settings
from monitoring.alarms import alarms
from monitoring.dashboard import dashboard_body
from monitoring.documented_metrics import documented_metrics
from monitoring.metric_data import MetricData, MetricId
from tests.provisioning.account import service_error
from tests.unit.kinesis_events import event_records, transaction
from tests.unit.test_process_transaction_lambda import Account

SETTINGS = Settings()
OWN = SETTINGS.metrics_namespace
# The unit in which each alarm's threshold and each axis is meant; whatever is not listed is counted.
UNITS = {
    "ApproximateAgeOfOldestMessage": "Seconds",
    "IteratorAge": "Milliseconds",
    "LandingLatency": "Milliseconds",
    "ComputeSeconds": "Seconds",
    "CurationSeconds": "Seconds",
    "LoadSeconds": "Seconds",
    "JobSeconds": "Seconds",
}


@pytest.fixture
def of_the_functions(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> MetricData:
    """What the functions emit, deployed as apply deploys them: of a batch that lands, of one that is given back, and of
    an alert that is refused."""
    for name, value in function_environment(SETTINGS, "20261123T125500Z").items():
        monkeypatch.setenv(name, value)
    account = Account()
    monkeypatch.setattr(clients, "client", account.client)
    function.reset()
    batch = {"Records": event_records((transaction(), b"{", transaction(amount="1.001")))}
    function.handler(batch, None)
    account.put_fault = lambda bucket, key: service_error("SlowDown", "PutObject", status=503)
    assert function.handler(batch, None)["batchItemFailures"]
    function.reset()
    _refuse_an_alert(monkeypatch)
    data = MetricData()
    data.put_embedded(capsys.readouterr().out.splitlines())
    return data


def _refuse_an_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fraud function emits if its topic refuses an alert."""
    for name, value in deploy_detect_fraud.function_environment(SETTINGS).items():
        monkeypatch.setenv(name, value)
    forget()

    class Table:
        def claim(self, alert: Any) -> bool:
            return True

    def refuse(alert: Any) -> None:
        raise service_error("AccessDenied", "Publish")

    monkeypatch.setattr(detect_fraud_lambda, "_look_at", lambda key: detect_fraud_lambda._told(Table(), ["alert"]))  # type: ignore[arg-type,list-item]
    monkeypatch.setattr(detect_fraud_lambda, "_publish", refuse)
    told = {"bucket": {"name": SETTINGS.bucket("raw")}, "object": {"key": "raw/transactions/x"}}
    body = json.dumps({"Records": [{"s3": told}]})
    assert detect_fraud_lambda.handler({"Records": [{"messageId": "1", "body": body}]}, None)["batchItemFailures"]
    forget()


def of_alarms() -> Iterator[tuple[str, MetricId]]:
    for spec in alarms(SETTINGS):
        for metric in spec.metrics.values():
            yield f"alarm {spec.name}", MetricId.of(metric.namespace, metric.name, metric.dimensions)


def of_the_dashboard() -> Iterator[tuple[str, MetricId]]:
    """Of metrics and of searches, whose dimensions have no values."""
    for widget in dashboard_body(SETTINGS, [], SETTINGS.prefix)["widgets"]:
        title = widget["properties"]["title"]
        for line in widget["properties"].get("metrics", []):
            parts = [part for part in line if isinstance(part, str)]
            if parts:
                dimensions = dict(zip(parts[2::2], parts[3::2], strict=True))
                yield f"{title}: {parts[1]}", MetricId.of(parts[0], parts[1], dimensions)
            for part in line:
                search = isinstance(part, dict) and re.search(
                    r'\{([^,}]+),([^}]+)\} MetricName="(\w+)"', part.get("expression", "")
                )
                if search:
                    yield title, MetricId.of(search[1], search[3], dict.fromkeys(search[2].split(","), ""))


ASKED = dict([*of_alarms(), *of_the_dashboard()])


FROM_THE_TRAIL = {
    MetricId.of(each.properties["MetricNamespace"], each.properties["MetricName"], {})
    for each in audit_trail(SETTINGS, clients.AwsClients(SETTINGS.region))
    if each.type == "AWS::Logs::MetricFilter"
}


def put_by_job_and_commands() -> dict[str, str]:
    """Metric -> unit of the calls of PutMetricData. The two daily commands are called in tests/faults."""
    put: dict[str, str] = {REPEATED_IDS_METRIC: "Count", TOTALS_OFF_METRIC: "Count", DRIFT_METRIC: "Count"}

    class CloudWatch:
        def put_metric_data(self, Namespace: str, MetricData: list[dict[str, Any]]) -> None:
            assert Namespace == OWN
            put.update({each["MetricName"]: each["Unit"] for each in MetricData})

    now = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    run = RunResult("r", now, (), (), {"conflicting_duplicate": 2})
    job = JobMetrics(CloudWatch(), OWN)
    job.curated([run], now)
    job.loaded([run], now)
    job.ended(60.0)
    return put


def names(metric: MetricId) -> frozenset[str]:
    return frozenset(name for name, _ in metric.dimensions)


@pytest.mark.parametrize("who", [who for who, metric in ASKED.items() if metric.namespace != OWN])
def test_what_aws_is_asked_for_is_what_aws_documents(who: str) -> None:
    metric = ASKED[who]
    documented = documented_metrics()[metric.namespace, metric.name]
    assert names(metric) in documented.dimensions
    assert documented.unit == UNITS.get(metric.name, "Count")


def test_the_embedded_stack_emits_aws_metrics_under_the_dimensions_that_are_asked_for() -> None:
    metrics = AccountMetrics(SETTINGS)
    for ended_well in (True, False):
        metrics.run_ended(ended_well)
    metrics.throttled()
    of_glue_and_lambda = {metric for metric in ASKED.values() if metric.namespace == "Glue"}
    assert of_glue_and_lambda and of_glue_and_lambda <= set(metrics.data.metrics)


def test_own_metrics_are_emitted_with_these_dimensions_and_units(of_the_functions: MetricData) -> None:
    """By the function, by a metric filter on the trail, or by PutMetricData."""
    by_put_metric_data = put_by_job_and_commands()
    asked = {who: metric for who, metric in ASKED.items() if metric.namespace == OWN}
    assert {"alarm quarantine-rate", "Quarantine by reason"} <= asked.keys()
    by_names = {(each.name, names(each)): each for each in of_the_functions.metrics}
    for who, metric in asked.items():
        if metric in FROM_THE_TRAIL:
            continue
        if not metric.dimensions:
            assert by_put_metric_data[metric.name] == UNITS.get(metric.name, "Count"), who
            continue
        emitted = by_names.get((metric.name, names(metric)))
        assert emitted is not None, who
        assert emitted == metric or not all(value for _, value in metric.dimensions), who
        assert of_the_functions.units(emitted) == {UNITS.get(metric.name, "Count")}, who


def test_the_last_faults_are_found_in_the_log_whoever_wrote_the_line() -> None:
    (widget,) = [each for each in dashboard_body(SETTINGS, [], "w")["widgets"] if each["type"] == "log"]
    pattern = re.search(r"@message like /(.+?)/ ", widget["properties"]["query"])
    assert pattern is not None
    runtime = re.compile(pattern[1])
    # The function's own lines have a level; a batch that fails is told by Lambda's runtime, in plain text.
    assert "filter level in ['WARNING', 'ERROR']" in widget["properties"]["query"]
    for line in (
        "[ERROR] PlatformError: transaction batch: an unexpected KeyError. This is a defect\nTraceback ...",
        "2026-11-26T04:00:00.000Z 8f5 Task timed out after 60.06 seconds",
        "RequestId: 8f5 Error: Runtime exited with error: signal: killed",
    ):
        assert runtime.search(line), line
    assert not runtime.search('{"level": "INFO", "message": "batch landed"}')
