"""The document of a run's page, and the page as one file: pure, without a browser."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import timedelta

import pytest
from rich.console import Console

from data_catalog.transaction_contract import QUARANTINE_REASONS
from data_governance.display_masking import masked_account, masked_payload
from data_governance.quarantine_remedies import QUARANTINE_REMEDIES
from infrastructure.local.run_page import html
from infrastructure.local.run_page.alarms_of_run import judged
from infrastructure.local.run_page.collect import document, live_document
from infrastructure.local.run_page.figures import Figures
from infrastructure.local.stages import Stages
from infrastructure.local.warehouse import embedded_settings
from monitoring.alarms import alarms, composite_alarms
from monitoring.metric_data import MetricData, MetricId
from tests.run_page_sample import HOSTILE, STARTED, metrics, report, sample_document

PAGE = html.page(sample_document())


def test_records_leave_the_flow_where_measured_and_add_up_to_what_went_in():
    made = sample_document()
    held = {hop.hop: hop.records for hop in made.hops}
    left = Counter({(each.after, each.why): each.records for each in made.leaving})
    assert held["produced"] == 7_230 == held["loaded"] + left.total()
    assert left[("streamed", "quarantined")] == 90 and left[("landed", "duplicate")] == 90
    assert sum(refusal.records for refusal in made.refusals) == held["quarantined"]


def test_this_run_stands_beside_all_that_is_held():
    made = sample_document()
    produced = next(hop for hop in made.hops if hop.hop == "produced")
    assert (produced.new, produced.records) == (3_615, 7_230)
    yen = next(line for line in made.totals if line.currency == "JPY")
    assert yen.held["loaded"][0] == 2 * yen.new["loaded"][0]


def test_the_landings_spans_hold_every_record_once_and_its_own_latencies():
    made, run = sample_document(), report()
    assert sum(span.records for span in made.landing) == len(run.landing_ms)
    assert all(span.began < span.ended and 0 < span.p50 <= span.p95 for span in made.landing)


def test_a_run_that_landed_nothing_has_a_page_too():
    empty = report()
    empty.landed_batches, empty.landing_ms, empty.run_ids = [], empty.landing_ms[:0], []
    assert document(empty, Figures(), [], 0).landing == []


def test_what_is_off_heads_the_page():
    off = report()
    off.given_up = 3
    made = document(off, Figures(), [], 0)
    assert not made.balanced and "3 records were given up" in made.findings[0]


def test_a_run_in_progress_tells_its_stages():
    stages = Stages(Console(quiet=True))
    with stages.stage("provision", 4) as bar:
        bar.at(3)
        bar.note("key lake")
        (stage,) = live_document(stages, "x").stages
    assert (stage.records, stage.total, stage.note, stage.ended) == (3, 4, "key lake", False)
    (stage,) = live_document(stages, "x").stages
    assert stage.ended and stage.note == "" and stage.course[-1][1] == 3


def test_text_of_records_cannot_end_the_scripts_data():
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', PAGE, re.DOTALL)
    payloads = [sample["payload"] for refusal in json.loads(data)["refusals"] for sample in refusal["samples"]]
    assert HOSTILE in payloads
    assert "<img" not in PAGE


def test_the_policy_allows_what_is_in_the_file_and_no_address():
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', PAGE)
    assert policy.startswith("default-src 'none'; base-uri 'none'; form-action 'none'")
    assert "unsafe" not in policy and "connect-src" not in policy and "http" not in policy
    assert policy.count("sha256-") == 3
    assert not re.findall(r"<(?:link|img|iframe)[^>]+(?:src|href)=\"(?!data:)", PAGE)
    assert "connect-src 'self'" in html.page(sample_document(), live=True)


@pytest.mark.parametrize("name", html.VENDORED)
def test_what_is_vendored_is_what_was_pinned_and_has_its_licence(name):
    folder = html._HERE / "vendor"
    content = (folder / name).read_bytes()
    assert f"{hashlib.sha256(content).hexdigest()}  {name}" in (folder / "SHA256SUMS").read_text().splitlines()
    assert b"</script" not in content
    licence = (folder / f"{name.split('.')[0]}.LICENSE").read_text()
    assert "Permission to use, copy, modify" in " ".join(licence.split())
    assert f"run_page/vendor/{name}" in (html._HERE.parents[2] / "NOTICE").read_text()


def test_every_reason_has_a_remedy():
    assert QUARANTINE_REMEDIES.keys() == QUARANTINE_REASONS.keys()


@pytest.mark.parametrize(
    ("account", "masked"),
    [("DE89370400440532013000", "DE89…3000"), ("12345678", "12…78"), ("123", "…"), ("", "…")],
)
def test_an_account_shows_its_ends_and_never_more_than_half_of_itself(account, masked):
    assert masked_account(account) == masked


def test_a_payload_is_masked_even_where_it_is_no_json():
    text = '{"account_id": "DE89370400440532013000", "description":"Rent, Mrs \\"M\\"", "amount":"1.00"'
    text += " FR1420041010050500013M02606"
    masked = masked_payload(text)
    assert "3704" not in masked and "2004" not in masked and "Rent" not in masked and "Mrs" not in masked
    assert '"amount":"1.00"' in masked
    assert len(masked_payload("x" * 5_000)) < 1_600


def test_all_alarms_are_judged_by_the_metrics_of_the_run():
    settings, end = embedded_settings(), STARTED + timedelta(minutes=12)
    calm = judged(settings, metrics(), STARTED, end)
    composites = {spec.name for spec in composite_alarms(settings)}
    assert {alarm.name for alarm in calm} == {spec.name for spec in alarms(settings)} | composites
    assert {alarm.name: alarm.state for alarm in calm if alarm.state != "OK"} == dict.fromkeys(
        ("balance-off", "drift-found", "repeated-ids"), "INSUFFICIENT_DATA"
    )
    data = metrics(quarantined=2_000)
    rate = {"RecordsReceived": 100, "RecordsQuarantined": 20}
    for name, records in rate.items():
        id_ = MetricId.of(settings.metrics_namespace, name, {"service": settings.function_name})
        data.put(id_, records, "Count", STARTED + timedelta(minutes=6))
    rough = judged(settings, data, STARTED, end)
    assert [alarm.name for alarm in rough if alarm.state == "ALARM"] == ["quarantine-rate"]
    assert rough[0].measured == "highest 27.7; alarm above 5 in 2 of 3 times 5 min"


def test_an_alarm_that_was_over_before_the_run_ended_is_shown_as_raised():
    settings, data = embedded_settings(), metrics()
    errors = MetricId.of("AWS/Lambda", "Errors", {"FunctionName": settings.function_name})
    for minute in range(60):
        data.put(errors, float(minute in (2, 3)), "Count", STARTED + timedelta(minutes=minute))
    (succeeded,) = [each for each in data.metrics if each.name == "glue.succeed.ALL"]
    data.put(succeeded, 1, "Count", STARTED + timedelta(minutes=45))
    found = judged(settings, data, STARTED, STARTED + timedelta(minutes=60))
    assert [alarm.name for alarm in found if alarm.state == "ALARM"] == ["landing-errors"]


def test_a_run_whose_job_never_ended_well_is_late():
    settings, data = embedded_settings(), MetricData()
    found = judged(settings, data, STARTED, STARTED + timedelta(seconds=20))
    assert [alarm.name for alarm in found if alarm.state == "ALARM"] == ["job-late", "page-curation"]
