"""A run as it could have been, and the document of its page: made by the code that makes real ones."""

from __future__ import annotations

from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from data_governance.control_totals import UNREADABLE, ControlKey, ControlTotals, CuratedTotals
from data_governance.display_masking import masked_payload
from data_governance.reconciliation import Measured
from data_storage.transaction_trail import CURATED, Place, Step, TracedAlert, TracedRecord, Trail
from infrastructure.local.run_page.alarms_of_run import judged
from infrastructure.local.run_page.collect import document
from infrastructure.local.run_page.document import Activity, Alert, Document, Evidence, Sample
from infrastructure.local.run_page.figures import Figures
from infrastructure.local.run_report import RunReport
from infrastructure.local.stages import Stage
from infrastructure.local.warehouse import embedded_settings
from monitoring.metric_data import MetricData, MetricId

STARTED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
KEYS = [ControlKey(currency, indicator) for currency in ("EUR", "JPY", "USD") for indicator in ("CRDT", "DBIT")]
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">"


def totals(records: int, unreadable: int = 0) -> ControlTotals:
    """So many records of each key, and some whose amounts can't be read."""
    found = ControlTotals()
    for key in KEYS:
        found.add(key, Decimal("123456.78") * records, records)
    if unreadable:
        found.add(UNREADABLE, Decimal(0), unreadable)
    return found


def measured() -> Measured:
    """1,200 records of each key and 30 unreadable ones, that all hops agree on."""
    refused = totals(10, 30)
    curated = CuratedTotals(totals(1_100), totals(70))
    return Measured(
        produced=totals(1_200, 30),
        streamed=totals(1_200, 30),
        landed=totals(1_190),
        quarantined_landing=refused,
        quarantined_etl=totals(5),
        duplicate_etl=totals(15),
        curated=curated,
        loaded=CuratedTotals(totals(1_100), totals(70)),
        quarantined_by_reason={"malformed_json": 30, "invalid_currency": 60, "conflicting_duplicate": 30},
    )


def report() -> RunReport:
    """An earlier run left half of what is held."""
    spans = {
        "provision": (0.4, 3.1, 55), "produce": (3.5, 1.9, 7_230), "land": (3.5, 2.4, 7_230),
        "curate": (5.9, 14.2, 7_140), "load": (20.1, 0.4, 7_020), "reconcile": (20.5, 0.3, 7_140),
    }  # fmt: skip
    stages = {}
    for name, (began, took, records) in spans.items():
        course = [(began + took * n / 8, records * n // 8) for n in range(9)]
        stages[name] = Stage(name, began, records, records, took, course=course)
    batches = [(STARTED + timedelta(seconds=4 + 0.5 * n), 1_400 + 30 * n) for n in range(5)]
    return RunReport(
        source="3,615 generated, seed 8",
        started_at=STARTED,
        run_ids=["2026-03-0123456789abcdef"],
        measured=measured(),
        this_run={"produced": totals(600, 15), "landed": totals(595), "curated": totals(585), "loaded": totals(585)},
        stages=stages,
        landing_ms=array("f", [200.0 + (n * 37) % 900 for n in range(sum(records for _, records in batches))]),
        landed_batches=batches,
        java="17.0.12 (system)",
        left_out={"IAM": "roles and policies are made, not enforced"},
    )


def figures() -> Figures:
    """Booked entries of each hour and type, two alerts, and a sample that tries to break out of the page."""
    hours = [
        Activity(currency, indicator, str(hour), hour % 2 == 0, 40 + hour, Decimal(1_000 + 97 * hour))
        for currency in ("EUR", "JPY", "USD")
        for indicator in ("CRDT", "DBIT")
        for hour in range(24)
    ]
    types = [
        Activity(currency, indicator, kind, True, 50, Decimal(2_000 * (place + 1)))
        for currency in ("EUR", "JPY", "USD")
        for place, (kind, indicator) in enumerate(
            (("CARD_PURCHASE", "DBIT"), ("TRANSFER", "CRDT"), ("TRANSFER", "DBIT"), ("INTEREST", "CRDT"))
        )
    ]
    payload = masked_payload(
        '{"transaction_id":"T1","account_id":"DE89370400440532013000","currency":"EURO","description":"Rent"}'
    )
    where = "20260302T093000Z / shardId-000000000000 / 17"
    samples = {
        "invalid_currency": [Sample("T1", "currency", "landing", "2026-03-02 09:30:01", where, payload)],
        "malformed_json": [Sample(None, None, "landing", "2026-03-02 09:30:02", where, HOSTILE)],
    }
    evidence = [
        Evidence("T7", "DE89…3000", "2026-03-02 08:10:00", "171.4900", "EUR"),
        Evidence("T8", "DE89…3000", "2026-03-02 08:40:00", "230.9300", "EUR"),
    ]
    travel = Alert(
        rule="implausible_travel",
        severity="HIGH",
        reason="card present in two countries",
        subject_type="CARD",
        bucket_start="2026-03-02 08:00:00",
        state="OPEN",
        is_new=True,
        evidence=evidence,
    )
    large = replace(travel, rule="large_amount", severity="MEDIUM", state="CLOSED", is_new=False, evidence=evidence[:1])
    by_rule = {"implausible_travel": 12, "large_amount": 1}
    return Figures(hours, types, samples, [travel, large], by_rule, {"implausible_travel": 1})


def trail() -> Trail:
    """A pending put of an id, and its booking."""
    records = []
    for number, status in enumerate(("PENDING", "BOOKED"), 17):
        place = Place("20260302T093000Z", "shardId-000000000000", str(number), 0)
        steps = [
            Step("streamed", "2026-03-02 09:30:04.000", "arrived in Kinesis", str(place)),
            Step("landed", "2026-03-02 09:30:05.000", "by the Lambda", f"s3://bucket/raw/{'x' * 120}.gz line {number}"),
        ]
        records.append(TracedRecord(status, CURATED, "171.49", "EUR", "2026-03-02 08:10:00.000", place, steps))
    alert = TracedAlert("a1", "implausible_travel", "HIGH", "OPEN", "2026-03-02 08:00:00.000", 1)
    return Trail("T7", "BOOKED", records, [alert])


def metrics(quarantined: int = 90) -> MetricData:
    """Of 7,230 records in one minute, all invocations well, and a run of the job that succeeded."""
    settings = embedded_settings()
    data = MetricData()
    stream, function = {"StreamName": settings.stream_name}, {"FunctionName": settings.function_name}
    run = {"JobName": settings.glue_job_name, "JobRunId": "ALL", "Type": "count", "ObservabilityGroup": "error"}
    own, service = settings.metrics_namespace, {"service": settings.function_name}
    for namespace, name, dimensions, value, unit in (
        ("AWS/Kinesis", "IncomingRecords", stream, 7_230, "Count"),
        ("AWS/Lambda", "Invocations", function, 8, "Count"),
        ("AWS/Lambda", "Errors", function, 0, "Count"),
        ("AWS/Lambda", "IteratorAge", function, 1_100, "Milliseconds"),
        ("Glue", "glue.succeed.ALL", run, 1, "Count"),
        (own, "RecordsReceived", service, 7_230, "Count"),
        (own, "RecordsQuarantined", service, quarantined, "Count"),
    ):
        data.put(MetricId.of(namespace, name, dimensions), value, unit, STARTED)
    return data


def sample_document() -> Document:
    alarms = judged(embedded_settings(), metrics(), STARTED, STARTED + timedelta(seconds=30))
    made = document(report(), figures(), alarms, earlier_runs=1, trail=trail())
    return replace(made, generated_at=STARTED + timedelta(seconds=30))
