"""The alarms and the dashboard as data: complete, consistent with what is measured, and each with advice."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from data_ingestion import process_transaction_lambda
from data_ingestion.deploy_transaction_lambda import function_environment
from data_processing import deploy_detect_fraud, detect_fraud_lambda
from infrastructure.references import fraud_function_name
from infrastructure.settings import Settings
from monitoring.alarm_spec import AlarmSpec, Metric
from monitoring.alarms import alarms, composite_alarms, with_every_alarm
from monitoring.dashboard import dashboard_body
from monitoring.setup_cloudwatch_alarms import topic_policy

SETTINGS = Settings()
DOCS = Path(__file__).resolve().parents[2] / "docs"
ALARMS = alarms(SETTINGS)
MEASURED = [(spec.name, metric) for spec in ALARMS for metric in spec.metrics.values()]


def named(name: str, specs: tuple[AlarmSpec, ...] = ALARMS) -> AlarmSpec:
    return next(spec for spec in specs if spec.name == name)


OF_THE_FRAUD_STREAM = {"service": fraud_function_name(SETTINGS)}


def puts(module: ModuleType, name: str) -> bool:
    """Whether a function's source puts a metric of this name."""
    tree = ast.parse(inspect.getsource(module))
    return any(isinstance(node, ast.Constant) and node.value == name for node in ast.walk(tree))


@pytest.mark.parametrize(
    ("namespace", "metric"),
    [
        ("AWS/Kinesis", "PutRecords.FailedRecords"),
        ("AWS/Kinesis", "WriteProvisionedThroughputExceeded"),
        ("AWS/Lambda", "IteratorAge"),
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/Lambda", "Invocations"),
        ("AWS/Kinesis", "IncomingRecords"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        (SETTINGS.metrics_namespace, "RecordsQuarantined"),
        (SETTINGS.metrics_namespace, "RepeatedTransactionIds"),
        ("Glue", "glue.error.ALL"),
        ("Glue", "glue.succeed.ALL"),
    ],
)
def test_what_must_be_watched_is_watched(namespace: str, metric: str) -> None:
    assert any((each.namespace, each.name) == (namespace, metric) for _, each in MEASURED)


def test_names_are_unique() -> None:
    assert len({spec.name for spec in ALARMS}) == len(ALARMS)


@pytest.mark.parametrize("spec", ALARMS, ids=lambda spec: spec.name)
def test_an_alarm_says_what_it_means_in_what_cloudwatch_takes(spec: AlarmSpec) -> None:
    assert 40 < len(spec.description) <= 1024
    assert spec.datapoints <= spec.periods
    assert all(metric.period in (10, 30) or metric.period % 60 == 0 for metric in spec.metrics.values())
    # CloudWatch evaluates at most a day, or a week if periods are an hour or longer.
    longest = max(metric.period for metric in spec.metrics.values())
    assert longest * spec.periods <= (604_800 if longest >= 3600 else 86_400)


@pytest.mark.parametrize("spec", [spec for spec in ALARMS if spec.expression], ids=lambda spec: spec.name)
def test_an_expression_names_the_metrics_of_its_alarm(spec: AlarmSpec) -> None:
    assert set(re.findall(r"\b[a-z]\w*\b", spec.expression)) == set(spec.metrics)
    assert "value" not in spec.metrics, "the expression itself is called so"


def test_an_alarm_without_an_expression_has_one_metric() -> None:
    assert all(len(spec.metrics) == 1 for spec in ALARMS if not spec.expression)


@pytest.mark.parametrize(
    "metric",
    [metric for _, metric in MEASURED if metric.namespace == SETTINGS.metrics_namespace and metric.dimensions],
    ids=lambda metric: metric.name,
)
def test_own_metrics_are_those_that_the_function_puts(metric: Metric) -> None:
    of_fraud = metric.dimensions == OF_THE_FRAUD_STREAM
    environment = deploy_detect_fraud.function_environment(SETTINGS) if of_fraud else function_environment(SETTINGS, "")
    assert puts(detect_fraud_lambda if of_fraud else process_transaction_lambda, metric.name)
    assert environment["POWERTOOLS_METRICS_NAMESPACE"] == metric.namespace
    assert metric.dimensions == {"service": environment["POWERTOOLS_SERVICE_NAME"]}


def test_the_quarantine_rate_is_a_percentage_and_zero_without_records() -> None:
    spec = named("quarantine-rate", alarms(replace(SETTINGS, alarm_quarantine_percent=7)))
    assert spec.threshold == 7

    def rate(received: float, quarantined: float) -> float:
        condition, value, otherwise = re.fullmatch(r"IF\((.+), (.+), (.+)\)", spec.expression).groups()  # type: ignore[union-attr]
        names = {"received": received, "quarantined": quarantined}
        return float(eval(value, {}, names) if eval(condition, {}, names) else eval(otherwise, {}, names))

    assert rate(200, 14) == 7
    assert rate(0, 0) == 0


@pytest.mark.parametrize(
    ("incoming", "invocations", "raised"),
    [(10, None, 1), (10, 0, 1), (10, 3, 0), (0, None, 0), (0, 3, 0)],
    ids=["nothing at all is emitted", "nothing is invoked", "well", "nothing to land", "the rest is landed"],
)
def test_records_that_nobody_takes_raise_an_alarm_though_the_mapping_emits_nothing(
    incoming: float, invocations: float | None, raised: float
) -> None:
    spec = named("landing-stopped")
    python = spec.expression.replace("AND", "and").replace("IF(", "choose(").replace("FILL(", "fill(")
    functions = {
        "choose": lambda condition, value, otherwise: value if condition else otherwise,
        "fill": lambda value, otherwise: otherwise if value is None else value,
    }
    assert eval(python, functions, {"incoming": incoming, "invocations": invocations}) == raised
    assert raised > spec.threshold or not raised
    assert spec.missing == "ignore", "once raised it stays until a batch is taken"


def test_the_job_is_late_after_four_of_its_intervals_and_never_where_nothing_starts_it() -> None:
    late = named("job-late", alarms(replace(SETTINGS, glue_every_minutes=30)))
    assert late.periods * late.metrics["succeeded"].period == 4 * 30 * 60
    assert late.missing == "breaching"
    assert late.expression == "FILL(succeeded, 0)"
    by_hand = alarms(replace(SETTINGS, glue_every_minutes=0))
    assert "job-late" not in {spec.name for spec in by_hand}


def test_the_dashboard_is_filled_in_and_its_widgets_do_not_overlap() -> None:
    arns = ["arn:aws:cloudwatch:us-east-1:1:alarm:a", "arn:aws:cloudwatch:us-east-1:1:alarm:b"]
    body = dashboard_body(SETTINGS, arns, "warehouse")
    assert "${" not in str(body)
    cells = [
        (x, y)
        for widget in body["widgets"]
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert body["widgets"][0]["properties"]["alarms"] == arns


def test_the_dashboard_shows_every_metric_that_an_alarm_watches_in_the_pipeline() -> None:
    body = dashboard_body(SETTINGS, [], "warehouse")
    shown = {
        (line[0], line[1])
        for widget in body["widgets"]
        for line in widget["properties"].get("metrics", [])
        if isinstance(line[0], str)
    }
    watched = {(metric.namespace, metric.name) for _, metric in MEASURED}
    assert watched - shown == {
        (
            "AWS/Kinesis",
            "ReadProvisionedThroughputExceeded",
        ),  # the alarm itself says that somebody else reads the stream
        (SETTINGS.metrics_namespace, "StreamReadsByOthers"),
        (SETTINGS.metrics_namespace, "TokenKeyReadsByOthers"),
    }


def test_only_alarms_of_this_account_publish_to_the_topic() -> None:
    (allowing,) = [each for each in topic_policy(SETTINGS)["Statement"] if each["Effect"] == "Allow"]
    assert allowing["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowing["Condition"]["StringEquals"] == {"aws:SourceAccount": SETTINGS.account_id}


EVERYTHING = with_every_alarm(replace(SETTINGS, alarm_silence_minutes=30))
NAMES = {spec.name for spec in (*alarms(EVERYTHING),)} | {spec.name for spec in composite_alarms(EVERYTHING)}


def test_the_documentation_tells_when_each_alarm_is_raised() -> None:
    text = (DOCS / "monitoring.md").read_text(encoding="utf-8")
    assert [name for name in sorted(NAMES) if f"| [`{name}`](runbook/{name}.md) |" not in text] == []


def test_the_runbook_has_a_page_for_each_alarm_and_no_other() -> None:
    pages = {path.stem for path in (DOCS / "runbook").glob("*.md")} - {"README"}
    assert pages == NAMES
    index = (DOCS / "runbook" / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(NAMES) if f"[{name}]({name}.md)" not in index] == []


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_page_says_what_the_alarm_means_where_to_look_and_what_to_do(name: str) -> None:
    text = (DOCS / "runbook" / f"{name}.md").read_text(encoding="utf-8")
    meaning, look, do = re.fullmatch(rf"# {name}\n\n(.+)\n## Look\n\n(.+)\n## Do\n\n(.+)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    assert len(meaning) > 60 and len(look) > 20 and len(do) > 20


def test_a_composite_alarm_looks_at_alarms_that_are_there() -> None:
    for settings in (SETTINGS, EVERYTHING, replace(SETTINGS, glue_every_minutes=0, trail_management_events=False)):
        there = {spec.name for spec in alarms(settings)}
        assert [each.name for each in composite_alarms(settings) if not there.issuperset(each.any_of)] == []
    by_hand = composite_alarms(replace(SETTINGS, glue_every_minutes=0))
    assert "page-curation" not in {each.name for each in by_hand}


def test_silence_is_an_alarm_only_where_a_time_is_set() -> None:
    assert "landing-silent" not in {spec.name for spec in ALARMS}
    silent = named("landing-silent", alarms(EVERYTHING))
    assert silent.metrics["landed"].period == 30 * 60
