"""What alarms and dashboard ask CloudWatch for is what the landing function really emits, dimension by dimension.

CloudWatch keeps a metric under its exact set of dimensions: a question with one too few finds nothing, and no error.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import pytest

from data_ingestion import process_transaction_lambda as function
from data_ingestion.deploy_transaction_lambda import function_environment
from infrastructure.aws import clients
from infrastructure.settings import Settings
from monitoring.alarms import alarms
from monitoring.dashboard import dashboard_body
from tests.provisioning.account import service_error
from tests.unit.kinesis_events import event_records, transaction
from tests.unit.test_process_transaction_lambda import Account

SETTINGS = Settings()


class Name(NamedTuple):
    """How CloudWatch knows a metric: values of the dimensions are left out."""

    namespace: str
    metric: str
    dimensions: frozenset[str]


def emitted(printed: str) -> set[Name]:
    """The metrics in lines of the embedded metric format."""
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return {
        Name(directive["Namespace"], metric["Name"], frozenset(dimensions))
        for line in lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
    }


@pytest.fixture
def of_the_function(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> set[Name]:
    """What the function emits, deployed as apply deploys it, of a batch that lands and of one that is given back."""
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
    return emitted(capsys.readouterr().out)


def asked_for() -> dict[str, Name]:
    """What alarms and dashboard ask for in the platform's own namespace, by who asks."""
    own = SETTINGS.metrics_namespace
    found = {
        f"alarm {spec.name}": Name(metric.namespace, metric.name, frozenset(metric.dimensions))
        for spec in alarms(SETTINGS)
        for metric in spec.metrics.values()
        if metric.namespace == own and metric.dimensions  # without: counted from the trail
    }
    for widget in dashboard_body(SETTINGS, [], "warehouse")["widgets"]:
        title = widget["properties"]["title"]
        for line in widget["properties"].get("metrics", []):
            parts = [part for part in line if isinstance(part, str)]
            if parts and parts[0] == own:
                found[f"{title}: {parts[1]}"] = Name(own, parts[1], frozenset(parts[2::2]))
            for part in line:
                search = isinstance(part, dict) and re.search(
                    r'\{([^,}]+),([^}]+)\} MetricName="(\w+)"', part.get("expression", "")
                )
                if search:
                    found[title] = Name(search[1], search[3], frozenset(search[2].split(",")))
    return found


def test_all_that_is_asked_for_is_emitted(of_the_function: set[Name]) -> None:
    asked = asked_for()
    assert {"alarm quarantine-rate", "Quarantine by reason"} <= asked.keys()
    assert {who: name for who, name in asked.items() if name not in of_the_function} == {}


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
